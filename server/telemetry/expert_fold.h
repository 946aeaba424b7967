#ifndef EPLB_SERVER_TELEMETRY_EXPERT_FOLD_H_
#define EPLB_SERVER_TELEMETRY_EXPERT_FOLD_H_

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/telemetry/load_sum.h"
#include "server/telemetry/phase.h"

namespace eplb {

// What the workers of one deployment told by logical expert since the sub-window was opened, shared by all of them:
// a matrix for each worker would cost 119 KB for a DeepSeek-V3. Also takes what was told by slot under a placement that
// is no longer the worker's. Thread-safe; its lock is a leaf and held for one pass over a report.
class ExpertFold {
 public:
  // cells = layers x experts.
  explicit ExpertFold(std::size_t cells) : cells_(cells) {}

  // Adds one report of a whole matrix.
  void Add(Phase phase, std::span<const std::uint64_t> tokens, absl::Duration window) EPLB_EXCLUDES(mutex_);
  // Adds slot counts by their cells; -1 is dropped.
  void AddSlots(Phase phase, std::span<const std::uint64_t> tokens, std::span<const std::int32_t> cells)
      EPLB_EXCLUDES(mutex_);
  // Adds what was folded to the sum and starts anew. The matrices are tokens of reports of some mean length, scaled to
  // the interval; expert_workers: workers that called Add, by phase.
  void Close(absl::Duration interval, const std::array<int, kNumPhases>& expert_workers, LoadSum& sum)
      EPLB_EXCLUDES(mutex_);

 private:
  struct PhaseSum {
    std::vector<std::uint64_t> tokens;             // [cells] told by expert; empty until the first
    std::vector<std::uint64_t> by_slot;            // [cells] flushed from slots; empty until the first
    absl::Duration window = absl::ZeroDuration();  // sum over reports
  };

  const std::size_t cells_;
  Mutex mutex_;
  std::array<PhaseSum, kNumPhases> phases_ EPLB_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_EXPERT_FOLD_H_
