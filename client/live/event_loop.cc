#include "client/live/event_loop.h"

#include <cstdint>
#include <future>
#include <map>

#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// What is posted and has not run.
class EventLoop::Tasks {
 public:
  // False, and the task is left as it is, once it is stopped.
  bool Add(absl::Duration delay, std::function<void()>& task) EPLB_EXCLUDES(mutex_) {
    const absl::Duration due = clock_.Monotonic() + delay;
    MutexLock lock(mutex_);
    if (stopping_) return false;
    const auto [entry, inserted] = tasks_.emplace(Key(due, posted_++), std::move(task));
    if (inserted && entry == tasks_.begin()) changed_.NotifyOne();
    return true;
  }

  // Runs tasks when they are due, until Stop.
  void Run() EPLB_EXCLUDES(mutex_) {
    while (const std::function<void()> task = Next()) task();
  }

  void Stop() EPLB_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }

  // What is left: its destruction may take locks and post.
  void Clear() EPLB_EXCLUDES(mutex_) {
    std::map<Key, std::function<void()>> left;  // destroyed without the lock
    MutexLock lock(mutex_);
    left.swap(tasks_);
  }

 private:
  using Key = std::pair<absl::Duration, std::uint64_t>;  // due, then order of posting

  // Waits for the next task; none once it is stopped.
  std::function<void()> Next() EPLB_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (true) {
      if (stopping_) return nullptr;
      if (tasks_.empty()) {
        changed_.Wait(mutex_);
        continue;
      }
      const absl::Duration wait = tasks_.begin()->first.first - clock_.Monotonic();
      if (wait <= absl::ZeroDuration()) break;
      changed_.WaitFor(mutex_, absl::ToChronoNanoseconds(wait));
    }
    std::function<void()> task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    return task;
  }

  const Clock& clock_ = RealClock();
  Mutex mutex_;
  ConditionVariable changed_;
  std::map<Key, std::function<void()>> tasks_ EPLB_GUARDED_BY(mutex_);
  std::uint64_t posted_ EPLB_GUARDED_BY(mutex_) = 0;
  bool stopping_ EPLB_GUARDED_BY(mutex_) = false;
};

bool EventLoop::Poster::PostAfter(absl::Duration delay, std::function<void()> task) const {
  return tasks_->Add(delay, task);
}

EventLoop::EventLoop() : tasks_(std::make_shared<Tasks>()), thread_([tasks = tasks_] { tasks->Run(); }) {}

EventLoop::~EventLoop() {
  tasks_->Stop();
  thread_.join();
  tasks_->Clear();
}

void EventLoop::PostAfter(absl::Duration delay, std::function<void()> task) { tasks_->Add(delay, task); }

void EventLoop::RunAndWait(const std::function<void()>& task) {
  if (IsThisThread()) {
    task();
    return;
  }
  std::promise<void> done;
  Post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace eplb
