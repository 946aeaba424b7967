#ifndef EPLB_SERVER_LOG_LOG_LIMITER_H_
#define EPLB_SERVER_LOG_LOG_LIMITER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// Lets each event pass a bounded number of times per window, so that a storm of one event neither fills disks nor
// hides the others. Thread-safe.
class LogLimiter {
 public:
  // The clock must outlive it.
  LogLimiter(const Clock& clock, absl::Duration window) : clock_(clock), window_(window) {}

  // Nothing: the event is to be left out. Else how many were left out since it last passed.
  std::optional<std::int64_t> Admit(std::string_view event, int most_per_window) EPLB_EXCLUDES(mutex_);

 private:
  struct State {
    absl::Duration window_start;
    int passed = 0;
    std::int64_t left_out = 0;
  };

  const Clock& clock_;
  const absl::Duration window_;
  Mutex mutex_;
  // Keyed by event: names are literals, so there are few.
  std::map<std::string, State, std::less<>> states_ EPLB_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_SERVER_LOG_LOG_LIMITER_H_
