#ifndef EPLB_SERVER_PLANNER_LOAD_SHEDDER_H_
#define EPLB_SERVER_PLANNER_LOAD_SHEDDER_H_

#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// Admits reports up to so many a second, and asks for longer intervals while there are more: each second with a report
// too many doubles the interval, up to a bound; after a calm stretch (half the limit for ten intervals) it is halved
// again. Where the longest interval has been asked for that long and there still are too many, their senders are to be
// refused: they do not heed it, or are more than can be served. Thread-safe; Admit is on the hot path.
class LoadShedder {
 public:
  enum class Admission {
    kTaken,
    kShed,     // one too many in this second
    kRefused,  // and asking for fewer has not helped
  };

  // limit: reports per second, 0: no limit. 0 < interval <= max_interval. on_interval (may be null) is told of each
  // change of interval(), one after the other, by whoever called Admit.
  LoadShedder(std::int64_t limit, absl::Duration interval, absl::Duration max_interval,
              std::function<void(absl::Duration interval)> on_interval = nullptr);

  // What is to become of a report that came in at `now` (monotonic).
  Admission Admit(absl::Duration now) EPLB_EXCLUDES(mutex_);
  // The interval to ask for now.
  absl::Duration interval() const;
  // The interval is longer than it should be.
  bool overloaded() const { return doublings_.load(std::memory_order_relaxed) > 0; }

 private:
  void NextSecond(std::int64_t second) EPLB_EXCLUDES(mutex_);

  const std::int64_t limit_;
  const absl::Duration interval_;
  const absl::Duration max_interval_;
  const std::function<void(absl::Duration)> on_interval_;
  std::atomic<std::int64_t> second_{-1};
  std::atomic<std::int64_t> count_{0};  // in this second
  std::atomic<int> doublings_{0};
  std::atomic<std::int64_t> refuse_from_;  // second
  Mutex mutex_;
  std::int64_t calm_since_ EPLB_GUARDED_BY(mutex_) = 0;  // second
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_LOAD_SHEDDER_H_
