#ifndef EPLB_SERVER_RPC_LIVE_CONVERT_TELEMETRY_MESSAGE_H_
#define EPLB_SERVER_RPC_LIVE_CONVERT_TELEMETRY_MESSAGE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eplb/v1/telemetry.pb.h"
#include "server/planner/hub_types.h"
#include "server/rpc/convert/request_limits.h"
#include "server/telemetry/load_report.h"

namespace eplb {

// Reads a hello. INVALID_ARGUMENT names each field, by its path in the stream's message ("hello.spec.num_experts").
absl::StatusOr<WorkerHello> ReadHello(const v1::TelemetryHello& message, const RequestLimits& limits);

// Reads a report without copying its loads: the view points into the message. INVALID_ARGUMENT where an enumeration
// has no such value; all else is checked where it is folded.
absl::StatusOr<LoadReportView> ReadReport(const v1::LoadReport& message);

// What one worker has been told, so that only what is new is told.
class DirectivesWriter {
 public:
  // States what differs from what was stated before, and the acknowledgement; false where nothing but the
  // acknowledgement is new.
  bool Write(const WorkerDirectives& directives, v1::StreamTelemetryResponse& message);

  // The highest sequence acknowledged so far.
  std::uint64_t acked_sequence() const { return acked_sequence_; }

 private:
  absl::Duration report_interval_ = absl::ZeroDuration();
  std::uint64_t acked_sequence_ = 0;
  bool need_full_hello_ = false;
  std::optional<std::uint64_t> dropped_reports_;
  bool draining_ = false;
  std::shared_ptr<const DeploymentControl> control_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONVERT_TELEMETRY_MESSAGE_H_
