#include <grpcpp/client_context.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/client.h"
#include "client/eplbctl/command.h"
#include "client/eplbctl/flag_checks.h"
#include "client/eplbctl/live/deployment_view.h"
#include "client/eplbctl/output.h"
#include "client/eplbctl/server_flags.h"
#include "client/error_details.h"
#include "client/live/reconnect_delay.h"
#include "client/retry_backoff.h"
#include "server/base/status_macros.h"
#include "server/rpc/convert/duration_message.h"

namespace eplb {
namespace {

constexpr char kWatchFooter[] =
    "Examples:\n"
    "  eplbctl watch prod/deepseek-v3 --server localhost:50051\n"
    "  eplbctl watch prod/deepseek-v3 --server localhost:50051 --count 1\n\n"
    "Prints one line for each event: time, event, version (epoch/revision), details; with --format json one object, "
    "of\n"
    "placements with all their layers and transfers. Once it has been connected, it "
    "connects\n"
    "again whenever the stream breaks, and goes on from the version seen last. As an onlooker it holds nobody up.";

struct WatchFlags {
  ServerFlags server;
  std::string deployment;
  std::int64_t count = 0;
  std::string format = "text";
};

std::string EventText(const v1::WatchPlacementsResponse& event) {
  const v1::PlacementUpdate& update = event.placement();
  switch (event.event_case()) {
    case v1::WatchPlacementsResponse::kPlacement:
      return absl::StrCat("placement ", VersionText(event.version()), " ",
                          update.has_base() ? absl::StrCat("delta from ", VersionText(update.base())) : "full", ", ",
                          update.layers_size(), " layers, ", update.transfers_size(), " transfers",
                          update.activation() == v1::ACTIVATION_ON_COMMIT ? ", on commit" : "");
    case v1::WatchPlacementsResponse::kBookmark:
      return absl::StrCat("bookmark ", VersionText(event.version()));
    case v1::WatchPlacementsResponse::kCommit:
      return absl::StrCat("commit ", VersionText(event.version()));
    case v1::WatchPlacementsResponse::kAbort:
      return absl::StrCat("abort ", VersionText(event.version()), " worker=", event.abort().worker_id(), " ",
                          event.abort().detail());
    case v1::WatchPlacementsResponse::kDraining:
      return "draining";
    case v1::WatchPlacementsResponse::EVENT_NOT_SET:
      break;
  }
  return "unknown event";
}

// What does not get better by trying again.
bool IsFinal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kFailedPrecondition:
      return true;
    default:
      return false;
  }
}

class Watcher {
 public:
  Watcher(const WatchFlags& flags, Client& client)
      : flags_(flags),
        client_(client),
        first_(client.options().retry, client.options().jitter_seed),
        delay_(absl::Milliseconds(200), absl::Seconds(10), client.options().jitter_seed) {}

  absl::Status Run() {
    while (true) {
      EPLB_ASSIGN_OR_RETURN(const absl::Status ended, WatchOnce());
      if (Done()) return absl::OkStatus();
      absl::Duration wait = delay_.Next();
      if (!connected_) {
        const std::optional<absl::Duration> retry = first_.NextWait(ended, client_.options().deadline);
        if (!retry) return Named(ended);
        wait = *retry;
      } else if (IsFinal(ended)) {
        return Named(ended);
      }
      if (drain_delay_ > absl::ZeroDuration()) wait = delay_.Within(drain_delay_);
      drain_delay_ = absl::ZeroDuration();
      client_.options().sleep(wait);
    }
  }

 private:
  bool Done() const { return flags_.count > 0 && seen_ >= flags_.count; }

  absl::Status Named(const absl::Status& status) const {
    return absl::Status(status.code(), absl::StrCat(client_.options().target, ": ", status.message()));
  }

  // How the stream ended; an error where an event cannot be printed.
  absl::StatusOr<absl::Status> WatchOnce() {
    grpc::ClientContext context;
    v1::WatchPlacementsRequest request;
    request.set_deployment(flags_.deployment);
    if (version_.revision() != 0) *request.mutable_resume_after() = version_;
    const auto reader = client_.stub().WatchPlacements(&context, request);
    v1::WatchPlacementsResponse event;
    while (reader->Read(&event)) {
      connected_ = true;
      delay_.Reset();
      ++seen_;
      if (event.has_placement()) version_ = event.version();
      EPLB_RETURN_IF_ERROR(PrintLine(event));
      if (event.has_draining()) drain_delay_ = ReadDuration(event.draining().reconnect_delay());
      if (!Done()) continue;  // also with a server that drains, until it ends the stream
      context.TryCancel();
      break;
    }
    return absl::StatusOr<absl::Status>(StatusFromGrpc(reader->Finish()));
  }

  absl::Status PrintLine(const v1::WatchPlacementsResponse& event) const {
    const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
    const std::string line =
        flags_.format == "json" ? EventJson(time, event).dump() : absl::StrCat(time, " ", EventText(event));
    EPLB_RETURN_IF_ERROR(PrintText(line + "\n"));
    return std::fflush(stdout) == 0 ? absl::OkStatus() : absl::UnknownError("the standard output cannot be written");
  }

  const WatchFlags& flags_;
  Client& client_;
  RetryBackoff first_;    // until the first event: as any other call
  ReconnectDelay delay_;  // from then on, for as long as it takes
  v1::PlacementVersion version_;
  absl::Duration drain_delay_ = absl::ZeroDuration();
  std::int64_t seen_ = 0;
  bool connected_ = false;
};

absl::Status RunWatch(const WatchFlags& flags) {
  EPLB_ASSIGN_OR_RETURN(ClientOptions options, flags.server.Read());
  EPLB_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Create(std::move(options)));
  return Watcher(flags, *client).Run();
}

}  // namespace

Command AddWatchCommand(CLI::App& root) {
  CLI::App* app = root.add_subcommand("watch", "Print a deployment's placements as they are published");
  app->footer(kWatchFooter);
  const auto flags = std::make_shared<WatchFlags>();
  app->add_option("deployment", flags->deployment, "Deployment")->type_name("DEPLOYMENT")->required();
  app->add_option("--count", flags->count, "End after so many events; 0: never")
      ->type_name("N")
      ->check(InRange<std::int64_t>(0, 1'000'000'000'000))
      ->capture_default_str();
  app->add_option("--format", flags->format, "text for people, json for programs")
      ->check(CLI::IsMember({"text", "json"}).description(""))
      ->type_name("text|json")
      ->capture_default_str();
  flags->server.AddRequiredTo(*app);
  return {.app = app, .run = [flags] { return RunWatch(*flags); }};
}

}  // namespace eplb
