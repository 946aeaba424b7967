#include "server/base/thread_team.h"

#include "server/base/check.h"

namespace eplb {

ThreadTeam::ThreadTeam(int width) {
  EPLB_CHECK(width >= 1);
  threads_.reserve(static_cast<std::size_t>(width - 1));
  for (int worker = 1; worker < width; ++worker) threads_.emplace_back([this, worker] { Help(worker); });
}

ThreadTeam::~ThreadTeam() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  start_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::Run(int count, const std::function<void(int, int)>& body) const {
  bool alone = count <= 1 || threads_.empty();
  if (!alone) {
    MutexLock lock(mutex_);
    alone = busy_;
    if (!alone) {
      busy_ = true;
      body_ = &body;
      count_ = count;
      ++run_;
      next_index_.store(0, std::memory_order_relaxed);
    }
  }
  if (alone) {
    SerialFor().Run(count, body);
    return;
  }
  start_.NotifyAll();
  TakeIndices(0, count, body);
  MutexLock lock(mutex_);
  body_ = nullptr;  // a helper that wakes only now finds nothing to do
  while (helping_ > 0) finished_.Wait(mutex_);
  busy_ = false;
}

void ThreadTeam::TakeIndices(int worker, int count, const std::function<void(int, int)>& body) const {
  while (true) {
    const int index = next_index_.fetch_add(1, std::memory_order_relaxed);
    if (index >= count) return;
    body(index, worker);
  }
}

void ThreadTeam::Help(int worker) const {
  std::int64_t last_run = 0;
  while (true) {
    const std::function<void(int, int)>* body = nullptr;
    int count = 0;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && (body_ == nullptr || run_ == last_run)) start_.Wait(mutex_);
      if (stopping_) return;
      last_run = run_;
      body = body_;
      count = count_;
      ++helping_;
    }
    TakeIndices(worker, count, *body);
    MutexLock lock(mutex_);
    if (--helping_ == 0) finished_.NotifyAll();
  }
}

}  // namespace eplb
