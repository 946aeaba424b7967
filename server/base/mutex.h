#ifndef EPLB_SERVER_BASE_MUTEX_H_
#define EPLB_SERVER_BASE_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "server/base/thread_annotations.h"

namespace eplb {

// std::mutex with thread-safety annotations. Not absl::Mutex: ThreadSanitizer reports false races on the packaged,
// uninstrumented Abseil.
class EPLB_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() EPLB_ACQUIRE() { mutex_.lock(); }
  void Unlock() EPLB_RELEASE() { mutex_.unlock(); }

 private:
  friend class ConditionVariable;
  std::mutex mutex_;
};

// Holds a Mutex for a scope.
class EPLB_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) EPLB_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() EPLB_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits on a Mutex that the caller holds. Wakeups may be spurious: call in a loop over the condition.
class ConditionVariable {
 public:
  void Wait(Mutex& mutex) EPLB_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // The same, but not for longer than this.
  void WaitFor(Mutex& mutex, std::chrono::nanoseconds longest) EPLB_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(lock, longest);
    lock.release();
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BASE_MUTEX_H_
