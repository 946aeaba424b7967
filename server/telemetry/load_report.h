#ifndef EPLB_SERVER_TELEMETRY_LOAD_REPORT_H_
#define EPLB_SERVER_TELEMETRY_LOAD_REPORT_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/time/time.h"
#include "server/model/placement_version.h"
#include "server/telemetry/phase.h"

namespace eplb {

// Most tokens that one report may state for one expert or slot: with kMaxExperts of them a layer stays far below
// kMaxLayerLoad.
inline constexpr std::uint64_t kMaxReportTokens = std::uint64_t{1} << 36;

// One worker's loads since its previous report, seen where they lie: nothing is owned, all spans must outlive the
// call. Exactly one of expert_tokens and slot_tokens is not empty.
struct LoadReportView {
  std::uint64_t sequence = 0;                         // counts up by one over the life of the incarnation, from 1
  absl::Duration window = absl::ZeroDuration();       // true length, > 0
  std::optional<absl::Time> end_time = {};            // on the worker's clock; for lag metrics only
  std::uint64_t steps = 0;                            // engine steps in the window, for people; 0: unknown
  Phase phase = Phase::kUnspecified;                  //
  std::optional<PlacementVersion> placement = {};     // in force while seen; unset: the newest this worker told of
  bool warmup = false;                                // counted apart, never planned from
  std::span<const std::uint64_t> expert_tokens{};     // [layers x experts], row major
  std::span<const std::uint64_t> slot_tokens{};       // [layers x local slots], row major
  absl::Duration expert_time = absl::ZeroDuration();  // in expert layers, mean over ranks; 0: unknown
};

// What became of a report. Each of them is acknowledged: none need be sent again.
enum class ReportOutcome {
  kFolded,
  kWarmup,            // counted apart
  kDuplicate,         // its sequence was folded in before
  kLate,              // it belongs to a sub-window that has been closed
  kUnknownPlacement,  // by slot, under a placement that the service does not know: a full hello is asked for
  kShed,              // dropped under overload; the interval is longer
};
inline constexpr int kNumReportOutcomes = 6;

// "folded", "warmup", "duplicate", "late", "unknown_placement", "shed".
std::string_view ReportOutcomeName(ReportOutcome outcome);

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_LOAD_REPORT_H_
