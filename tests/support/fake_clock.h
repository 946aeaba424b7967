#ifndef EPLB_TESTS_SUPPORT_FAKE_CLOCK_H_
#define EPLB_TESTS_SUPPORT_FAKE_CLOCK_H_

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb::testing {

// A clock that stands still until it is told to go on. Thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time now = absl::FromUnixSeconds(1'700'000'000)) : now_(now) {}

  absl::Time Now() const override {
    MutexLock lock(mutex_);
    return now_;
  }
  absl::Duration Monotonic() const override {
    MutexLock lock(mutex_);
    return monotonic_;
  }

  void Advance(absl::Duration by) {
    MutexLock lock(mutex_);
    now_ += by;
    monotonic_ += by;
  }
  // The wall clock is set, forwards or back; monotonic time knows nothing of it.
  void JumpWallTime(absl::Duration by) {
    MutexLock lock(mutex_);
    now_ += by;
  }

 private:
  mutable Mutex mutex_;
  absl::Time now_ EPLB_GUARDED_BY(mutex_);
  absl::Duration monotonic_ EPLB_GUARDED_BY(mutex_) = absl::Seconds(100);
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_FAKE_CLOCK_H_
