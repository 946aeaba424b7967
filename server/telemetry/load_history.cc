#include "server/telemetry/load_history.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "server/base/check.h"
#include "server/model/limits.h"

namespace eplb {

LoadHistory::LoadHistory(int num_layers, int num_experts, int capacity)
    : num_layers_(num_layers), num_experts_(num_experts), capacity_(static_cast<std::size_t>(capacity)) {
  EPLB_CHECK(capacity >= 1);
}

bool LoadHistory::Plausible(const LoadSum& sum) const {
  double total = 0;
  for (int layer = 0; layer < num_layers_; ++layer) {
    double row = 0;
    for (const std::vector<double>& tokens : sum.tokens) {
      if (tokens.empty()) continue;
      const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(layer) * num_experts_;
      row = std::accumulate(first, first + num_experts_, row);
    }
    if (!(row <= kMaxLayerLoad / 4)) return false;
    total += row;
  }
  return total > 0;
}

bool LoadHistory::Push(const LoadSum& sum, absl::Duration now) {
  if (!Plausible(sum)) return false;
  Window window;
  if (windows_.size() == capacity_) {  // its memory is used again
    window = std::move(windows_.front());
    windows_.pop_front();
  }
  for (std::size_t phase = 0; phase < kNumPhases; ++phase) {
    window.tokens[phase].assign(sum.tokens[phase].begin(), sum.tokens[phase].end());
  }
  window.closed_at = now;
  window.expert_time_ratio.reset();
  if (sum.expert_time_window > absl::ZeroDuration()) {
    window.expert_time_ratio = std::clamp(absl::FDivDuration(sum.expert_time, sum.expert_time_window), 1e-6, 1.0);
  }
  windows_.push_back(std::move(window));
  return true;
}

std::optional<absl::Duration> LoadHistory::newest_time() const {
  if (windows_.empty()) return std::nullopt;
  return windows_.back().closed_at;
}

std::optional<double> LoadHistory::newest_expert_time_ratio() const {
  return windows_.empty() ? std::nullopt : windows_.back().expert_time_ratio;
}

std::optional<LoadMatrix> LoadHistory::Combine(const Window& window, const PhaseWeights& weights) const {
  const std::array<double, kNumPhases> by_phase = weights.ByPhase();
  const double largest = *std::max_element(by_phase.begin(), by_phase.end());
  std::vector<double> values(static_cast<std::size_t>(num_layers_) * static_cast<std::size_t>(num_experts_), 0.0);
  for (std::size_t phase = 0; phase < kNumPhases; ++phase) {
    const double weight = by_phase[phase] / largest;
    if (weight == 0) continue;
    const std::vector<float>& tokens = window.tokens[phase];
    for (std::size_t i = 0; i < tokens.size(); ++i) values[i] += weight * static_cast<double>(tokens[i]);
  }
  if (std::all_of(values.begin(), values.end(), [](double value) { return value == 0; })) return std::nullopt;
  absl::StatusOr<LoadMatrix> matrix = LoadMatrix::Create(num_layers_, num_experts_, std::move(values));
  EPLB_CHECK(matrix.ok());  // Push took only what is within the bounds
  return *std::move(matrix);
}

std::vector<LoadMatrix> LoadHistory::Combined(const PhaseWeights& weights) const {
  std::vector<LoadMatrix> matrices;
  matrices.reserve(windows_.size());
  for (const Window& window : windows_) {
    if (std::optional<LoadMatrix> matrix = Combine(window, weights)) matrices.push_back(*std::move(matrix));
  }
  return matrices;
}

std::optional<LoadMatrix> LoadHistory::CombinedNewest(const PhaseWeights& weights) const {
  return windows_.empty() ? std::nullopt : Combine(windows_.back(), weights);
}

std::optional<LoadMatrix> LoadHistory::NewestOf(Phase phase) const {
  if (windows_.empty()) return std::nullopt;
  const std::vector<float>& tokens = windows_.back().tokens[static_cast<std::size_t>(phase)];
  if (tokens.empty()) return std::nullopt;
  absl::StatusOr<LoadMatrix> matrix =
      LoadMatrix::Create(num_layers_, num_experts_, std::vector<double>(tokens.begin(), tokens.end()));
  EPLB_CHECK(matrix.ok());
  return *std::move(matrix);
}

}  // namespace eplb
