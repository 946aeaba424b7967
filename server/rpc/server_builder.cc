#include "server/rpc/server_builder.h"

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_builder_plugin.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/base/status_macros.h"
#include "server/rpc/call_interceptor.h"
#include "server/rpc/guard_interceptor.h"

namespace eplb {
namespace {

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(
      std::clamp<std::int64_t>(absl::ToInt64Milliseconds(duration), 1, std::numeric_limits<int>::max()));
}

// gRPC registers plugins for the whole process; each server is to have those of its own options alone.
class ChoosePlugins final : public grpc::ServerBuilderOption {
 public:
  ChoosePlugins(bool reflection, bool channelz) : reflection_(reflection), channelz_(channelz) {}

  void UpdateArguments(grpc::ChannelArguments*) override {}

  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [this](const auto& plugin) { return !channelz_ || plugin->name() != "channelz_service"; });
    if (reflection_) plugins->push_back(std::make_unique<grpc::reflection::ProtoServerReflectionPlugin>());
  }

 private:
  const bool reflection_;
  const bool channelz_;
};

void PrepareProcess(const ServerOptions& options) {
  static std::once_flag once;
  std::call_once(once, [] { grpc::EnableDefaultHealthCheckService(true); });
  static std::once_flag channelz_once;
  if (options.channelz) std::call_once(channelz_once, [] { grpc::channelz::experimental::InitChannelzService(); });
}

// Settings of every port. A second process on the same port is refused rather than given half of the calls.
void Configure(grpc::ServerBuilder& builder, const ServerOptions& options, RpcObserver* observer) {
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_interval));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(options.min_client_ping_interval));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams);
  if (options.max_connection_age > absl::ZeroDuration()) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(options.max_connection_age));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Milliseconds(options.max_connection_age_grace));
  }
  builder.SetMaxReceiveMessageSize(options.max_message_bytes);
  builder.SetMaxSendMessageSize(options.max_message_bytes);
  grpc::ResourceQuota quota("eplb");
  if (options.memory_quota_bytes > 0) quota.Resize(static_cast<std::size_t>(options.memory_quota_bytes));
  if (options.max_threads > 0) quota.SetMaxThreads(options.max_threads);
  builder.SetResourceQuota(quota);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  if (observer != nullptr) interceptors.push_back(ObserveCalls(*observer, RealClock()));
  if (options.authorization.enabled) interceptors.push_back(GuardIntrospection(options.authorization));
  if (!interceptors.empty()) builder.experimental().SetInterceptorCreators(std::move(interceptors));
}

absl::StatusOr<BoundServer> Build(grpc::ServerBuilder& builder, const std::string& address,
                                  const std::shared_ptr<grpc::ServerCredentials>& credentials) {
  BoundServer bound;
  builder.AddListeningPort(address, credentials, &bound.port);
  bound.server = builder.BuildAndStart();
  if (bound.server == nullptr || bound.port <= 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address));
  }
  return bound;
}

}  // namespace

absl::StatusOr<BoundServer> BuildMainServer(const ServerOptions& options,
                                            const std::shared_ptr<grpc::ServerCredentials>& credentials,
                                            grpc::Service& service, RpcObserver* observer) {
  PrepareProcess(options);
  grpc::ServerBuilder builder;
  Configure(builder, options, observer);
  builder.SetOption(std::make_unique<ChoosePlugins>(options.reflection, options.channelz));
  builder.RegisterService(&service);
  return Build(builder, options.listen_address, credentials);
}

absl::StatusOr<BoundServer> BuildHealthServer(const ServerOptions& options, RpcObserver* observer) {
  PrepareProcess(options);
  grpc::ServerBuilder builder;
  Configure(builder, options, observer);
  builder.SetOption(std::make_unique<ChoosePlugins>(false, false));
  // Without any service of its own beside health gRPC refuses to start a server.
  auto no_methods = std::make_unique<grpc::CallbackGenericService>();
  builder.RegisterCallbackGenericService(no_methods.get());
  EPLB_ASSIGN_OR_RETURN(BoundServer bound,
                        Build(builder, options.health_listen_address, grpc::InsecureServerCredentials()));
  bound.no_methods = std::move(no_methods);
  return bound;
}

}  // namespace eplb
