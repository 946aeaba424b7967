#ifndef EPLB_SERVER_TELEMETRY_LIVENESS_H_
#define EPLB_SERVER_TELEMETRY_LIVENESS_H_

#include "absl/time/time.h"

namespace eplb {

// Whether a worker reports.
enum class Liveness {
  kLive,
  kExpired,   // silent for longer than LivenessOptions::expire_after_intervals: its last loads stand in for it
  kExcluded,  // silent past the further grace: its ranks are planned around until a fresh hello
};

// How long silence is put up with.
struct LivenessOptions {
  int expire_after_intervals = 3;                    // report intervals of silence, >= 1
  absl::Duration exclude_grace = absl::Seconds(60);  // further silence after that
};

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_LIVENESS_H_
