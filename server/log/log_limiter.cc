#include "server/log/log_limiter.h"

#include <utility>

namespace eplb {

std::optional<std::int64_t> LogLimiter::Admit(std::string_view event, int most_per_window) {
  const absl::Duration now = clock_.Monotonic();
  MutexLock lock(mutex_);
  auto found = states_.find(event);
  if (found == states_.end()) found = states_.emplace(std::string(event), State{.window_start = now}).first;
  State& state = found->second;
  if (now - state.window_start >= window_) {
    state.window_start = now;
    state.passed = 0;
  }
  if (state.passed >= most_per_window) {
    ++state.left_out;
    return std::nullopt;
  }
  ++state.passed;
  return std::exchange(state.left_out, 0);
}

}  // namespace eplb
