#include "server/planner/scheduler.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "server/base/check.h"

namespace eplb {
namespace {

// How soon a task is tried again that the pool had no room for.
constexpr absl::Duration kRetryFullPool = absl::Milliseconds(50);
// Longest sleep of the dispatcher, should the clock not run as the machine's does.
constexpr absl::Duration kLongestSleep = absl::Hours(1);

}  // namespace

Scheduler::Scheduler(const Clock& clock, std::function<void(int waiting)> on_queue)
    : clock_(clock), on_queue_(std::move(on_queue)) {}

Scheduler::~Scheduler() { Stop(); }

std::int64_t Scheduler::Add(std::shared_ptr<Scheduled> task) {
  MutexLock lock(mutex_);
  const std::int64_t id = next_id_++;
  entries_[id].task = std::move(task);
  return id;
}

void Scheduler::Remove(std::int64_t id) {
  std::shared_ptr<Scheduled> last;  // destroyed without the lock
  MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  due_.erase({it->second.due, id});
  last = std::move(it->second.task);
  entries_.erase(it);
}

void Scheduler::Schedule(std::int64_t id, absl::Duration due) {
  {
    MutexLock lock(mutex_);
    const auto it = entries_.find(id);
    if (it == entries_.end() || due >= it->second.due) return;
    SetDue(id, it->second, due);
  }
  changed_.NotifyAll();
}

void Scheduler::SetDue(std::int64_t id, Entry& entry, absl::Duration due) {
  due_.erase({entry.due, id});
  entry.due = due;
  if (!entry.running && due != absl::InfiniteDuration()) due_.insert({due, id});
}

std::optional<Scheduler::Run> Scheduler::TakeDue(absl::Duration now) {
  if (due_.empty() || due_.begin()->first > now) return std::nullopt;
  const std::int64_t id = due_.begin()->second;
  Entry& entry = entries_.at(id);
  SetDue(id, entry, absl::InfiniteDuration());
  entry.running = true;
  ++running_;
  return Run{id, entry.task};
}

void Scheduler::RunTask(const Run& run) {
  const absl::Duration next = run.second->RunOnce(clock_.Monotonic());
  {
    MutexLock lock(mutex_);
    --running_;
    const auto it = entries_.find(run.first);
    if (it != entries_.end()) {
      it->second.running = false;
      SetDue(run.first, it->second, std::min(next, it->second.due));
    }
    changed_.NotifyAll();  // under the lock: after it this may be gone
  }
}

int Scheduler::RunDue() {
  const absl::Duration now = clock_.Monotonic();
  std::vector<Run> runs;  // taken at once: a task that stays due is left for the next call
  {
    MutexLock lock(mutex_);
    while (std::optional<Run> run = TakeDue(now)) runs.push_back(*std::move(run));
  }
  for (const Run& run : runs) RunTask(run);
  return static_cast<int>(runs.size());
}

absl::Duration Scheduler::NextDue() const {
  MutexLock lock(mutex_);
  return due_.empty() ? absl::InfiniteDuration() : due_.begin()->first;
}

int Scheduler::CountDue(absl::Duration now) const {
  constexpr std::int64_t kAfterAll = std::int64_t{1} << 62;
  return static_cast<int>(std::distance(due_.begin(), due_.upper_bound({now, kAfterAll})));
}

void Scheduler::Start(WorkerPool& pool, int concurrency) {
  EPLB_CHECK(!dispatcher_.joinable() && concurrency >= 1);
  dispatcher_ = std::thread([this, &pool, concurrency] { Dispatch(pool, concurrency); });
}

void Scheduler::Dispatch(WorkerPool& pool, int concurrency) {
  while (true) {
    std::optional<Run> run;
    int waiting = 0;
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      const absl::Duration now = clock_.Monotonic();
      if (running_ < concurrency) run = TakeDue(now);
      waiting = CountDue(now);
      if (!run) {
        const bool idle = due_.empty() || running_ >= concurrency;
        const absl::Duration sleep = idle ? kLongestSleep : std::min(kLongestSleep, due_.begin()->first - now);
        changed_.WaitFor(mutex_, absl::ToChronoNanoseconds(sleep));
        continue;
      }
    }
    if (on_queue_) on_queue_(waiting);
    if (pool.TrySubmit([this, task = *run] { RunTask(task); })) continue;
    MutexLock lock(mutex_);
    --running_;
    const auto it = entries_.find(run->first);
    if (it == entries_.end()) continue;
    it->second.running = false;
    SetDue(run->first, it->second, clock_.Monotonic() + kRetryFullPool);
  }
}

void Scheduler::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (dispatcher_.joinable()) dispatcher_.join();
  MutexLock lock(mutex_);
  while (running_ > 0) changed_.Wait(mutex_);
}

}  // namespace eplb
