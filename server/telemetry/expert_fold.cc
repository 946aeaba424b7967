#include "server/telemetry/expert_fold.h"

#include <algorithm>

#include "server/base/check.h"

namespace eplb {
namespace {

// sum += scale * tokens, and tokens = 0.
void Drain(double scale, std::vector<std::uint64_t>& tokens, std::vector<double>& sum) {
  if (tokens.empty()) return;
  sum.resize(tokens.size(), 0.0);
  for (std::size_t i = 0; i < tokens.size(); ++i) sum[i] += scale * static_cast<double>(tokens[i]);
  std::fill(tokens.begin(), tokens.end(), 0);
}

}  // namespace

double WindowScale(absl::Duration interval, absl::Duration window) {
  if (interval == window) return 1.0;
  return std::min(absl::FDivDuration(interval, window), kMaxWindowScale);
}

void ExpertFold::Add(Phase phase, std::span<const std::uint64_t> tokens, absl::Duration window) {
  EPLB_CHECK(tokens.size() == cells_);
  MutexLock lock(mutex_);
  PhaseSum& sum = phases_[static_cast<std::size_t>(phase)];
  sum.tokens.resize(cells_, 0);
  sum.window += window;
  std::uint64_t* out = sum.tokens.data();
  for (std::size_t i = 0; i < cells_; ++i) out[i] += tokens[i];
}

void ExpertFold::AddSlots(Phase phase, std::span<const std::uint64_t> tokens, std::span<const std::int32_t> cells) {
  EPLB_CHECK(tokens.size() == cells.size());
  MutexLock lock(mutex_);
  std::vector<std::uint64_t>& sum = phases_[static_cast<std::size_t>(phase)].by_slot;
  sum.resize(cells_, 0);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (cells[i] >= 0) sum[static_cast<std::size_t>(cells[i])] += tokens[i];
  }
}

void ExpertFold::Close(absl::Duration interval, const std::array<int, kNumPhases>& expert_workers, LoadSum& sum) {
  MutexLock lock(mutex_);
  for (std::size_t phase = 0; phase < kNumPhases; ++phase) {
    PhaseSum& folded = phases_[phase];
    if (folded.window > absl::ZeroDuration()) {
      Drain(WindowScale(interval * std::max(expert_workers[phase], 1), folded.window), folded.tokens,
            sum.tokens[phase]);
    }
    Drain(1.0, folded.by_slot, sum.tokens[phase]);
    folded.window = absl::ZeroDuration();
  }
}

}  // namespace eplb
