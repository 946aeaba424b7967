#ifndef EPLB_SERVER_TELEMETRY_LOAD_SUM_H_
#define EPLB_SERVER_TELEMETRY_LOAD_SUM_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "server/telemetry/phase.h"

namespace eplb {

// How far reports of short windows are scaled up to the nominal interval: a worker that told of a sixteenth of the
// interval is believed for all of it, one that told of less is not. Long windows, such as follow a longer interval that
// has ended, are scaled down without a bound.
inline constexpr double kMaxWindowScale = 16.0;

// The factor that makes tokens of `window` seconds into tokens of `interval` seconds; exactly 1 where they are equal.
double WindowScale(absl::Duration interval, absl::Duration window);

// What all workers of a deployment told in one sub-window, by phase, as tokens per nominal interval.
struct LoadSum {
  // [layers x experts] each; empty: no report of that phase.
  std::array<std::vector<double>, kNumPhases> tokens;
  int reporting_workers = 0;  // workers with at least one report
  // Sum over phases of the time spent in expert layers, and of the windows that told of it; the time share is their
  // ratio. 0: nobody told.
  absl::Duration expert_time = absl::ZeroDuration();
  absl::Duration expert_time_window = absl::ZeroDuration();

  bool empty() const { return reporting_workers == 0; }
};

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_LOAD_SUM_H_
