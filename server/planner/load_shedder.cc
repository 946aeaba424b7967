#include "server/planner/load_shedder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "server/base/check.h"

namespace eplb {
namespace {

constexpr int kMaxDoublings = 20;
constexpr int kCalmIntervals = 10;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

}  // namespace

LoadShedder::LoadShedder(std::int64_t limit, absl::Duration interval, absl::Duration max_interval,
                         std::function<void(absl::Duration)> on_interval)
    : limit_(limit),
      interval_(interval),
      max_interval_(std::max(interval, max_interval)),
      on_interval_(std::move(on_interval)),
      refuse_from_(kNever) {
  EPLB_CHECK(limit >= 0 && interval > absl::ZeroDuration());
}

LoadShedder::Admission LoadShedder::Admit(absl::Duration now) {
  if (limit_ == 0) return Admission::kTaken;
  const std::int64_t second = absl::ToInt64Seconds(now);
  if (second != second_.load(std::memory_order_relaxed)) NextSecond(second);
  if (count_.fetch_add(1, std::memory_order_relaxed) < limit_) return Admission::kTaken;
  return second < refuse_from_.load(std::memory_order_relaxed) ? Admission::kShed : Admission::kRefused;
}

absl::Duration LoadShedder::interval() const {
  return std::min(max_interval_, interval_ * (std::int64_t{1} << doublings_.load(std::memory_order_relaxed)));
}

void LoadShedder::NextSecond(std::int64_t second) {
  MutexLock lock(mutex_);
  if (second <= second_.load(std::memory_order_relaxed)) return;  // another thread was here
  const absl::Duration former = interval();
  const std::int64_t count = count_.exchange(0, std::memory_order_relaxed);
  const int doublings = doublings_.load(std::memory_order_relaxed);
  if (count > limit_) {
    if (doublings < kMaxDoublings && interval() < max_interval_) {
      doublings_.store(doublings + 1);
    } else if (refuse_from_.load(std::memory_order_relaxed) == kNever) {
      refuse_from_.store(second + absl::ToInt64Seconds(absl::Ceil(max_interval_, absl::Seconds(1))));
    }
    calm_since_ = second;
  } else if (2 * count > limit_) {
    calm_since_ = second;
  } else if (doublings > 0 && absl::Seconds(second - calm_since_) >= kCalmIntervals * interval()) {
    doublings_.store(doublings - 1);
    refuse_from_.store(kNever);
    calm_since_ = second;
  }
  second_.store(second, std::memory_order_relaxed);
  if (on_interval_ && interval() != former) on_interval_(interval());
}

}  // namespace eplb
