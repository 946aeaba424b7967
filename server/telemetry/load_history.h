#ifndef EPLB_SERVER_TELEMETRY_LOAD_HISTORY_H_
#define EPLB_SERVER_TELEMETRY_LOAD_HISTORY_H_

#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "server/model/load_matrix.h"
#include "server/telemetry/load_sum.h"
#include "server/telemetry/phase.h"

namespace eplb {

// The newest closed sub-windows of one deployment, each phase by itself. Kept as float, half the memory: a relative
// error of 6e-8 in a load is nothing beside its noise. Not thread-safe.
class LoadHistory {
 public:
  // Keeps at most `capacity` >= 1 sub-windows.
  LoadHistory(int num_layers, int num_experts, int capacity);

  // Takes a sub-window over as the newest, closed at `now` (monotonic). False, taking nothing, where no expert has any
  // load, or where a layer's loads are too many to be true (past kMaxLayerLoad / 4).
  bool Push(const LoadSum& sum, absl::Duration now);

  int size() const { return static_cast<int>(windows_.size()); }
  // Time of the newest; nothing without one.
  std::optional<absl::Duration> newest_time() const;
  // Time share in expert layers told for the newest; nothing where nobody told.
  std::optional<double> newest_expert_time_ratio() const;

  // All sub-windows, oldest first, phases added up by their weights relative to the largest. Sub-windows that have no
  // load under these weights are left out.
  std::vector<LoadMatrix> Combined(const PhaseWeights& weights) const;
  // The newest sub-window the same way; nothing where it has no load under these weights.
  std::optional<LoadMatrix> CombinedNewest(const PhaseWeights& weights) const;
  // One phase of the newest sub-window; nothing where it was not reported.
  std::optional<LoadMatrix> NewestOf(Phase phase) const;

 private:
  struct Window {
    std::array<std::vector<float>, kNumPhases> tokens;  // [layers x experts], empty: not reported
    absl::Duration closed_at = absl::ZeroDuration();
    std::optional<double> expert_time_ratio;
  };

  std::optional<LoadMatrix> Combine(const Window& window, const PhaseWeights& weights) const;
  bool Plausible(const LoadSum& sum) const;

  const int num_layers_;
  const int num_experts_;
  const std::size_t capacity_;
  std::deque<Window> windows_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_LOAD_HISTORY_H_
