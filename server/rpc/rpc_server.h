#ifndef EPLB_SERVER_RPC_RPC_SERVER_H_
#define EPLB_SERVER_RPC_RPC_SERVER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/rpc/observer.h"
#include "server/rpc/server_options.h"
#include "server/rpc/service_parts.h"

namespace eplb {

class EplbService;
struct BoundServer;

// The gRPC ports of one process, from bound to drained. Thread-safe.
//
// Health, for "" and "eplb.v1.EplbService" and on both ports: NOT_SERVING from Start on, SERVING after
// SetServing(true), and NOT_SERVING for good once StartDraining was called.
class RpcServer {
 public:
  // Binds and listens; calls are taken at once. The observer (null: nobody is told) and the parts must outlive the
  // server. INVALID_ARGUMENT for certificates that do not load; UNAVAILABLE, naming the address, where it cannot be
  // bound.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const ServerOptions& options, const EplbServiceParts& parts,
                                                          RpcObserver* observer);
  // Cancels what is open where Shutdown was not called.
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // The bound ports; health_port is 0 where there is none.
  int port() const;
  int health_port() const;

  // Tells probes whether to send calls here. Ignored once draining.
  void SetServing(bool serving) EPLB_EXCLUDES(mutex_);

  // Turns NOT_SERVING and tells open streams to go elsewhere. Calls are still taken, as callers take a while to learn.
  void StartDraining() EPLB_EXCLUDES(mutex_);

  // Refuses new calls, ends open streams, and returns once all calls have finished; after the timeout the rest is
  // cancelled. Includes StartDraining. Later calls do nothing.
  void Shutdown(absl::Duration timeout) EPLB_EXCLUDES(mutex_);

 private:
  RpcServer();

  Mutex mutex_;
  bool draining_ EPLB_GUARDED_BY(mutex_) = false;
  bool stopped_ EPLB_GUARDED_BY(mutex_) = false;
  std::unique_ptr<EplbService> service_;
  std::unique_ptr<BoundServer> main_;
  std::unique_ptr<BoundServer> health_;  // null: none
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_RPC_SERVER_H_
