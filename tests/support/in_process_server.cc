#include "tests/support/in_process_server.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace eplb {

InProcessServer::InProcessServer(InProcessServerOptions options) : team_(2) {
  if (options.parts.pool == nullptr) {
    own_pool_ = std::make_unique<WorkerPool>(options.planning_threads, options.queue_capacity);
    options.parts.pool = own_pool_.get();
  }
  if (options.parts.parallel == nullptr) options.parts.parallel = &team_;
  pool_ = options.parts.pool;
  absl::StatusOr<std::unique_ptr<RpcServer>> server = RpcServer::Start(options.server, options.parts, options.observer);
  if (!server.ok()) {
    std::fprintf(stderr, "in-process server: %s\n", server.status().ToString().c_str());
    std::abort();
  }
  server_ = *std::move(server);
  server_->SetServing(true);
}

InProcessServer::~InProcessServer() {
  server_->Shutdown(absl::ZeroDuration());
  pool_->Drain();  // a task may still hold a call
  server_.reset();
}

std::string InProcessServer::address() const { return absl::StrCat("127.0.0.1:", server_->port()); }
std::string InProcessServer::health_address() const { return absl::StrCat("127.0.0.1:", server_->health_port()); }

std::shared_ptr<grpc::Channel> InProcessServer::NewChannel(grpc::ChannelArguments arguments) const {
  return NewPlaintextChannel(address(), std::move(arguments));
}

std::unique_ptr<v1::EplbService::Stub> InProcessServer::NewStub() const {
  return v1::EplbService::NewStub(NewChannel());
}

std::shared_ptr<grpc::Channel> NewPlaintextChannel(const std::string& address, grpc::ChannelArguments arguments) {
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace eplb
