#ifndef EPLB_CLIENT_LIVE_EVENT_LOOP_H_
#define EPLB_CLIENT_LIVE_EVENT_LOOP_H_

#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "absl/time/time.h"

namespace eplb {

// One thread that runs what is posted to it, in order, now or at a time. All state of the workers and watchers of a
// process lives on it, so none of them needs a lock, and ten thousand of them need one thread. Thread-safe.
class EventLoop {
 private:
  class Tasks;

 public:
  // Posts to the loop for whom it cannot be told when they are done, as gRPC's callbacks: may outlive the loop.
  // Thread-safe.
  class Poster {
   public:
    // False where the loop is gone: the task never runs.
    bool Post(std::function<void()> task) const { return PostAfter(absl::ZeroDuration(), std::move(task)); }
    bool PostAfter(absl::Duration delay, std::function<void()> task) const;

   private:
    friend class EventLoop;
    explicit Poster(std::shared_ptr<Tasks> tasks) : tasks_(std::move(tasks)) {}

    std::shared_ptr<Tasks> tasks_;
  };

  EventLoop();
  // Ends the loop after the task at hand; what is still posted never runs.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs the task on the loop's thread. Tasks of one time run in the order in which they were posted.
  void Post(std::function<void()> task) { PostAfter(absl::ZeroDuration(), std::move(task)); }
  void PostAfter(absl::Duration delay, std::function<void()> task);
  Poster poster() const { return Poster(tasks_); }

  bool IsThisThread() const { return std::this_thread::get_id() == thread_.get_id(); }

  // Runs the task on the loop's thread and returns once it has; at once where the loop's own thread asks.
  void RunAndWait(const std::function<void()>& task);

 private:
  const std::shared_ptr<Tasks> tasks_;  // shared with the posters
  std::thread thread_;
};

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_EVENT_LOOP_H_
