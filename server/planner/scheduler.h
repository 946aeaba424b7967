#ifndef EPLB_SERVER_PLANNER_SCHEDULER_H_
#define EPLB_SERVER_PLANNER_SCHEDULER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/base/worker_pool.h"

namespace eplb {

// Something that is run when it is due.
class Scheduled {
 public:
  virtual ~Scheduled() = default;
  // Does what is due at `now` (monotonic) and returns when to run again; InfiniteDuration: when told (Schedule).
  virtual absl::Duration RunOnce(absl::Duration now) = 0;
};

// Runs thousands of tasks at their due times on few threads: in the order of their due times, so that each has its
// turn; each at most once at a time, and waiting at most once, so that the newest wins and the queue is bounded by the
// number of tasks. A task that is not due costs nothing but an entry here. Thread-safe.
class Scheduler {
 public:
  // The clock must outlive it. on_queue (may be null) is told how many due tasks wait, whenever some could not start.
  Scheduler(const Clock& clock, std::function<void(int waiting)> on_queue);
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Takes a task in, never due until told; returns its id. The task is kept alive until Remove, and by a run.
  std::int64_t Add(std::shared_ptr<Scheduled> task) EPLB_EXCLUDES(mutex_);
  // A run that is on goes on. Unknown ids are ignored.
  void Remove(std::int64_t id) EPLB_EXCLUDES(mutex_);
  // Runs the task at `due` or at the time known before, whichever is earlier.
  void Schedule(std::int64_t id, absl::Duration due) EPLB_EXCLUDES(mutex_);

  // Runs what is due on the calling thread; returns how many.
  int RunDue() EPLB_EXCLUDES(mutex_);
  absl::Duration NextDue() const EPLB_EXCLUDES(mutex_);

  // Runs what is due on the pool, at most `concurrency` >= 1 at once, until Stop, which waits for what runs.
  void Start(WorkerPool& pool, int concurrency) EPLB_EXCLUDES(mutex_);
  void Stop() EPLB_EXCLUDES(mutex_);

 private:
  struct Entry {
    std::shared_ptr<Scheduled> task;
    absl::Duration due = absl::InfiniteDuration();
    bool running = false;
  };
  using Run = std::pair<std::int64_t, std::shared_ptr<Scheduled>>;

  void SetDue(std::int64_t id, Entry& entry, absl::Duration due) EPLB_REQUIRES(mutex_);
  std::optional<Run> TakeDue(absl::Duration now) EPLB_REQUIRES(mutex_);
  void RunTask(const Run& run) EPLB_EXCLUDES(mutex_);
  void Dispatch(WorkerPool& pool, int concurrency) EPLB_EXCLUDES(mutex_);
  int CountDue(absl::Duration now) const EPLB_REQUIRES(mutex_);

  const Clock& clock_;
  const std::function<void(int)> on_queue_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::int64_t next_id_ EPLB_GUARDED_BY(mutex_) = 1;
  std::map<std::int64_t, Entry> entries_ EPLB_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Duration, std::int64_t>> due_ EPLB_GUARDED_BY(mutex_);  // of those that do not run
  int running_ EPLB_GUARDED_BY(mutex_) = 0;
  bool stopping_ EPLB_GUARDED_BY(mutex_) = false;
  std::thread dispatcher_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_SCHEDULER_H_
