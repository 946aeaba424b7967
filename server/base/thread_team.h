#ifndef EPLB_SERVER_BASE_THREAD_TEAM_H_
#define EPLB_SERVER_BASE_THREAD_TEAM_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "server/base/mutex.h"
#include "server/base/parallel_for.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// ParallelFor over threads of its own plus the calling thread. One Run at a time is spread over the team; a Run that
// finds it busy does all its work on its own thread, as worker 0, so nobody waits for somebody else's plan.
// Thread-safe.
class ThreadTeam final : public ParallelFor {
 public:
  // width >= 1 counts the calling thread: width - 1 threads are started.
  explicit ThreadTeam(int width);
  ~ThreadTeam() override;
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int width() const override { return static_cast<int>(threads_.size()) + 1; }
  void Run(int count, const std::function<void(int, int)>& body) const override EPLB_EXCLUDES(mutex_);

 private:
  void Help(int worker) const EPLB_EXCLUDES(mutex_);
  void TakeIndices(int worker, int count, const std::function<void(int, int)>& body) const;

  mutable Mutex mutex_;
  mutable ConditionVariable start_;
  mutable ConditionVariable finished_;
  mutable const std::function<void(int, int)>* body_ EPLB_GUARDED_BY(mutex_) = nullptr;  // set while a Run is on
  mutable int count_ EPLB_GUARDED_BY(mutex_) = 0;
  mutable int helping_ EPLB_GUARDED_BY(mutex_) = 0;
  mutable std::int64_t run_ EPLB_GUARDED_BY(mutex_) = 0;
  mutable bool busy_ EPLB_GUARDED_BY(mutex_) = false;
  bool stopping_ EPLB_GUARDED_BY(mutex_) = false;
  mutable std::atomic<int> next_index_{0};
  std::vector<std::thread> threads_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_THREAD_TEAM_H_
