#include "server/rpc/rpc_server.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "server/base/status_macros.h"
#include "server/rpc/credentials.h"
#include "server/rpc/eplb_service.h"
#include "server/rpc/server_builder.h"

namespace eplb {
namespace {

// All names that have a health status; "" is the server as a whole.
constexpr const char* kHealthNames[] = {"", "eplb.v1.EplbService"};

// Time that the peers of open streams have to read to the end.
constexpr absl::Duration kStreamGrace = absl::Seconds(1);

void SetHealth(const BoundServer* bound, bool serving) {
  if (bound == nullptr) return;
  for (const char* name : kHealthNames) bound->server->GetHealthCheckService()->SetServingStatus(name, serving);
}

void EndHealth(const BoundServer* bound) {
  if (bound != nullptr) bound->server->GetHealthCheckService()->Shutdown();
}

}  // namespace

RpcServer::RpcServer() = default;

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(const ServerOptions& options, const EplbServiceParts& parts,
                                                            RpcObserver* observer) {
  std::unique_ptr<RpcServer> server(new RpcServer());
  EPLB_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials, MakeServerCredentials(options.tls));
  EplbServiceParts parts_within_size = parts;
  parts_within_size.limits.max_answer_bytes = options.max_message_bytes;
  server->service_ = std::make_unique<EplbService>(parts_within_size, options.authorization);
  EPLB_ASSIGN_OR_RETURN(BoundServer main, BuildMainServer(options, credentials, *server->service_, observer));
  server->main_ = std::make_unique<BoundServer>(std::move(main));
  if (!options.health_listen_address.empty()) {
    EPLB_ASSIGN_OR_RETURN(BoundServer health, BuildHealthServer(options, observer));
    server->health_ = std::make_unique<BoundServer>(std::move(health));
  }
  server->SetServing(false);
  return server;
}

RpcServer::~RpcServer() { Shutdown(absl::ZeroDuration()); }

int RpcServer::port() const { return main_->port; }
int RpcServer::health_port() const { return health_ != nullptr ? health_->port : 0; }

void RpcServer::SetServing(bool serving) {
  MutexLock lock(mutex_);
  if (draining_) return;
  SetHealth(main_.get(), serving);
  SetHealth(health_.get(), serving);
}

void RpcServer::StartDraining() {
  MutexLock lock(mutex_);
  if (std::exchange(draining_, true)) return;
  EndHealth(main_.get());
  EndHealth(health_.get());
  if (service_ != nullptr) service_->StartDraining();
}

void RpcServer::Shutdown(absl::Duration timeout) {
  StartDraining();
  {
    MutexLock lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  const std::chrono::system_clock::time_point deadline = absl::ToChronoTime(absl::Now() + timeout);
  if (service_ != nullptr) service_->EndStreams(std::min(timeout, kStreamGrace));
  if (main_ != nullptr) main_->server->Shutdown(deadline);
  if (health_ != nullptr) health_->server->Shutdown(deadline);
}

}  // namespace eplb
