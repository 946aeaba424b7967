#ifndef EPLB_CLIENT_LIVE_EVENT_LOOP_H_
#define EPLB_CLIENT_LIVE_EVENT_LOOP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// One thread that runs what is posted to it, in order, now or at a time. All state of the workers and watchers of a
// process lives on it, so none of them needs a lock, and ten thousand of them need one thread. Thread-safe.
class EventLoop {
 public:
  EventLoop();
  // Ends the loop after the task at hand; what is still posted never runs.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs the task on the loop's thread. Tasks of one time run in the order in which they were posted.
  void Post(std::function<void()> task) EPLB_EXCLUDES(mutex_) { PostAfter(absl::ZeroDuration(), std::move(task)); }
  void PostAfter(absl::Duration delay, std::function<void()> task) EPLB_EXCLUDES(mutex_);

  // Runs the task on the loop's thread and returns once it has; at once where the loop's own thread asks.
  void RunAndWait(const std::function<void()>& task) EPLB_EXCLUDES(mutex_);

 private:
  using Key = std::pair<absl::Duration, std::uint64_t>;  // due, then order of posting

  void RunTasks() EPLB_EXCLUDES(mutex_);

  const Clock& clock_ = RealClock();
  Mutex mutex_;
  ConditionVariable changed_;
  std::map<Key, std::function<void()>> tasks_ EPLB_GUARDED_BY(mutex_);
  std::uint64_t posted_ EPLB_GUARDED_BY(mutex_) = 0;
  bool stopping_ EPLB_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_EVENT_LOOP_H_
