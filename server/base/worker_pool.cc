#include "server/base/worker_pool.h"

#include <utility>

#include "server/base/check.h"

namespace eplb {

WorkerPool::WorkerPool(int num_threads, std::size_t queue_capacity) : queue_capacity_(queue_capacity) {
  EPLB_CHECK(num_threads >= 1 && queue_capacity >= 1);
  threads_.reserve(static_cast<std::size_t>(num_threads));
  for (int i = 0; i < num_threads; ++i) threads_.emplace_back([this] { RunTasks(); });
}

WorkerPool::~WorkerPool() {
  Drain();
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  work_available_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkerPool::TrySubmit(std::function<void()> task) {
  {
    MutexLock lock(mutex_);
    if (draining_ || queue_.size() >= queue_capacity_) return false;
    queue_.push_back(std::move(task));
  }
  work_available_.NotifyOne();
  return true;
}

void WorkerPool::Drain() {
  MutexLock lock(mutex_);
  draining_ = true;
  while (!queue_.empty() || running_ > 0) all_done_.Wait(mutex_);
}

std::size_t WorkerPool::queue_depth() const {
  MutexLock lock(mutex_);
  return queue_.size();
}

void WorkerPool::RunTasks() {
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) work_available_.Wait(mutex_);
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
      ++running_;
    }
    task();
    task = nullptr;  // what the task holds is released before Drain may return
    MutexLock lock(mutex_);
    --running_;
    if (queue_.empty() && running_ == 0) all_done_.NotifyAll();
  }
}

}  // namespace eplb
