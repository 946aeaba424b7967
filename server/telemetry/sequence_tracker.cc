#include "server/telemetry/sequence_tracker.h"

#include <algorithm>

namespace eplb {
namespace {

constexpr std::uint64_t kRemembered = 64;

}  // namespace

SequenceTracker::Arrival SequenceTracker::Take(std::uint64_t sequence) {
  if (sequence > highest_) {
    const std::uint64_t step = sequence - highest_;
    if (highest_ != 0) lost_ += std::min(step - 1, kMostLostAtOnce);
    seen_ = step < kRemembered ? (seen_ << step) | 1 : 1;
    highest_ = sequence;
    return Arrival::kNew;
  }
  const std::uint64_t back = highest_ - sequence;
  if (back >= kRemembered) return Arrival::kDuplicate;
  const std::uint64_t bit = std::uint64_t{1} << back;
  if ((seen_ & bit) != 0) return Arrival::kDuplicate;
  seen_ |= bit;
  if (lost_ > 0) --lost_;
  return sequence <= closed_ ? Arrival::kLate : Arrival::kNew;
}

}  // namespace eplb
