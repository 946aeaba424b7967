#ifndef EPLB_TESTS_SUPPORT_IN_PROCESS_SERVER_H_
#define EPLB_TESTS_SUPPORT_IN_PROCESS_SERVER_H_

#include <grpcpp/channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <memory>
#include <string>

#include "eplb/v1/eplb_service.grpc.pb.h"
#include "server/base/thread_team.h"
#include "server/base/worker_pool.h"
#include "server/rpc/rpc_server.h"
#include "server/rpc/server_options.h"
#include "server/rpc/service_parts.h"

namespace eplb {

struct InProcessServerOptions {
  ServerOptions server = {};    // ports are 0 unless set
  EplbServiceParts parts = {};  // pool and parallel are made where they are null
  int planning_threads = 2;
  std::size_t queue_capacity = 64;
  RpcObserver* observer = nullptr;
};

// A server in this process, on any free loopback port, and channels to it through the real transport.
class InProcessServer {
 public:
  // Aborts where it does not start.
  explicit InProcessServer(InProcessServerOptions options = {});
  ~InProcessServer();

  RpcServer& server() { return *server_; }
  WorkerPool& pool() { return *pool_; }
  std::string address() const;
  std::string health_address() const;

  // A connection of its own, shared with no other channel.
  std::shared_ptr<grpc::Channel> NewChannel(grpc::ChannelArguments arguments = {}) const;
  std::unique_ptr<v1::EplbService::Stub> NewStub() const;

 private:
  ThreadTeam team_;
  std::unique_ptr<WorkerPool> own_pool_;
  WorkerPool* pool_;
  std::unique_ptr<RpcServer> server_;
};

// A plaintext connection of its own to any address.
std::shared_ptr<grpc::Channel> NewPlaintextChannel(const std::string& address, grpc::ChannelArguments arguments = {});

}  // namespace eplb

#endif  // EPLB_TESTS_SUPPORT_IN_PROCESS_SERVER_H_
