#include "client/live/event_loop.h"

#include <future>

namespace eplb {

EventLoop::EventLoop() : thread_([this] { RunTasks(); }) {}

EventLoop::~EventLoop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void EventLoop::PostAfter(absl::Duration delay, std::function<void()> task) {
  const absl::Duration due = clock_.Monotonic() + delay;
  bool first = false;
  {
    MutexLock lock(mutex_);
    const auto [entry, inserted] = tasks_.emplace(Key(due, posted_++), std::move(task));
    first = inserted && entry == tasks_.begin();
  }
  if (first) changed_.NotifyOne();
}

void EventLoop::RunAndWait(const std::function<void()>& task) {
  if (std::this_thread::get_id() == thread_.get_id()) {
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

void EventLoop::RunTasks() {
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (true) {
        if (stopping_) return;
        if (tasks_.empty()) {
          changed_.Wait(mutex_);
          continue;
        }
        const absl::Duration wait = tasks_.begin()->first.first - clock_.Monotonic();
        if (wait <= absl::ZeroDuration()) break;
        changed_.WaitFor(mutex_, absl::ToChronoNanoseconds(wait));
      }
      task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
    }
    task();
  }
}

}  // namespace eplb
