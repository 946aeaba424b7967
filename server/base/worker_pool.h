#ifndef EPLB_SERVER_BASE_WORKER_POOL_H_
#define EPLB_SERVER_BASE_WORKER_POOL_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// A fixed number of threads behind a bounded first-in-first-out queue. A full queue refuses work at once instead of
// growing or blocking: the caller sheds it. Thread-safe.
class WorkerPool {
 public:
  // num_threads >= 1; queue_capacity >= 1 is the number of tasks that may wait, besides those that run.
  WorkerPool(int num_threads, std::size_t queue_capacity);
  // Runs what is queued, then joins.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False, without taking the task, when the queue is full or Drain was called.
  [[nodiscard]] bool TrySubmit(std::function<void()> task) EPLB_EXCLUDES(mutex_);

  // Refuses new tasks and returns once every accepted one has run. May be called more than once, but not by a task.
  void Drain() EPLB_EXCLUDES(mutex_);

  // Tasks that wait now.
  std::size_t queue_depth() const EPLB_EXCLUDES(mutex_);

 private:
  void RunTasks() EPLB_EXCLUDES(mutex_);

  const std::size_t queue_capacity_;
  mutable Mutex mutex_;
  ConditionVariable work_available_;
  ConditionVariable all_done_;
  std::deque<std::function<void()>> queue_ EPLB_GUARDED_BY(mutex_);
  int running_ EPLB_GUARDED_BY(mutex_) = 0;
  bool draining_ EPLB_GUARDED_BY(mutex_) = false;
  bool stopping_ EPLB_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_WORKER_POOL_H_
