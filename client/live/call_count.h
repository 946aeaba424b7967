#ifndef EPLB_CLIENT_LIVE_CALL_COUNT_H_
#define EPLB_CLIENT_LIVE_CALL_COUNT_H_

#include <algorithm>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// Counts a worker's calls that have not ended, so that its owner can wait for them: a channel must not be let go of by
// a call that ends after it, on gRPC's own thread. Thread-safe.
class CallCount {
 public:
  void Add() EPLB_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    ++open_;
  }
  void Done() EPLB_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (--open_ == 0) none_.NotifyAll();
  }
  // False: some are still open after this time.
  bool WaitForNone(absl::Duration longest) EPLB_EXCLUDES(mutex_) {
    const absl::Duration end = RealClock().Monotonic() + longest;
    MutexLock lock(mutex_);
    while (open_ > 0) {
      const absl::Duration left = end - RealClock().Monotonic();
      if (left <= absl::ZeroDuration()) return false;
      none_.WaitFor(mutex_, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
    }
    return true;
  }

 private:
  Mutex mutex_;
  ConditionVariable none_;
  int open_ EPLB_GUARDED_BY(mutex_) = 0;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_CALL_COUNT_H_
