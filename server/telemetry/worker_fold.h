#ifndef EPLB_SERVER_TELEMETRY_WORKER_FOLD_H_
#define EPLB_SERVER_TELEMETRY_WORKER_FOLD_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/telemetry/expert_fold.h"
#include "server/telemetry/load_report.h"
#include "server/telemetry/load_sum.h"
#include "server/telemetry/sequence_tracker.h"
#include "server/telemetry/slot_map.h"

namespace eplb {

// What a WorkerFold is made for.
struct FoldShape {
  int num_layers = 0;
  int num_experts = 0;
  int num_local_slots = 0;

  std::size_t num_cells() const { return static_cast<std::size_t>(num_layers) * static_cast<std::size_t>(num_experts); }
  std::size_t num_slot_cells() const {
    return static_cast<std::size_t>(num_layers) * static_cast<std::size_t>(num_local_slots);
  }
};

// What one incarnation of one worker told since the sub-window was opened. The hot path of the service: one
// uncontended lock and one pass over the report; memory is taken at the first report of a phase, never again. A worker
// that told by slot and is silent in a sub-window is taken to have had the loads of the one before, so that one late
// report does not make its experts look cold. Thread-safe.
class WorkerFold {
 public:
  // experts takes what is told by logical expert and outlives this. warmup_reports: first ones that do not count.
  WorkerFold(const FoldShape& shape, ExpertFold& experts, int warmup_reports);

  // kNeedsPlacement asks for SetSlotMap(version) or Skip, and then the same again; nothing was taken in.
  enum class Step { kDone, kNeedsPlacement };
  struct Result {
    Step step = Step::kDone;
    ReportOutcome outcome = ReportOutcome::kFolded;
    std::uint64_t acked_sequence = 0;
    std::int64_t newly_lost = 0;    // by a gap that this report showed; negative: it filled one
    PlacementVersion version = {};  // kNeedsPlacement only: the one that is needed
  };

  // Takes one report in. INVALID_ARGUMENT names the field that breaks its rule; nothing was taken in.
  absl::StatusOr<Result> Fold(const LoadReportView& report, absl::Duration now) EPLB_EXCLUDES(mutex_);

  // Takes only the sequence in: the report is acknowledged and dropped as `outcome`.
  Result Skip(const LoadReportView& report, ReportOutcome outcome, absl::Duration now) EPLB_EXCLUDES(mutex_);

  // From now on slots are counted under this map; what was counted under the former is kept as experts.
  void SetSlotMap(std::shared_ptr<const SlotMap> map) EPLB_EXCLUDES(mutex_);
  // The version that a report without one is taken for.
  void SetAppliedVersion(PlacementVersion version) EPLB_EXCLUDES(mutex_);

  // Adds this worker's part to the sum, scaled to the interval, and starts a new sub-window. Counts itself in
  // expert_workers for each phase that it told of by expert. use_last: where it was silent, its last loads count.
  void Close(absl::Duration interval, bool use_last, std::array<int, kNumPhases>& expert_workers, LoadSum& sum)
      EPLB_EXCLUDES(mutex_);

  // A report or hello came in.
  void Heard(absl::Duration now) EPLB_EXCLUDES(mutex_);

  struct Counters {
    absl::Duration last_heard = -absl::InfiniteDuration();  // monotonic
    std::optional<absl::Duration> last_report = {};         // monotonic
    std::uint64_t acked_sequence = 0;
    std::uint64_t folded = 0;
    std::uint64_t warmup = 0;
    std::uint64_t lost = 0;
    std::uint64_t dropped = 0;  // shed under overload
  };
  Counters counters() const EPLB_EXCLUDES(mutex_);

 private:
  struct PhaseFold {
    std::vector<std::uint64_t> slots;  // [slot cells] since the sub-window was opened; empty until the first
    std::vector<float> last;           // [slot cells] of the sub-window before, per interval; empty: none
    absl::Duration slot_window = absl::ZeroDuration();    // sum over reports by slot
    absl::Duration expert_window = absl::ZeroDuration();  // same, by expert
    absl::Duration expert_time = absl::ZeroDuration();
    absl::Duration expert_time_window = absl::ZeroDuration();
  };

  absl::Status Validate(const LoadReportView& report) const;
  Result Take(const LoadReportView& report, ReportOutcome outcome, absl::Duration now) EPLB_REQUIRES(mutex_);
  void Count(const LoadReportView& report) EPLB_REQUIRES(mutex_);
  void MergeSlots(double scale, PhaseFold& phase, std::vector<double>& sum) EPLB_REQUIRES(mutex_);
  void MergeLast(const PhaseFold& phase, std::vector<double>& sum) EPLB_REQUIRES(mutex_);

  const FoldShape shape_;
  const int warmup_reports_;
  ExpertFold& experts_;

  mutable Mutex mutex_;
  SequenceTracker sequences_ EPLB_GUARDED_BY(mutex_);
  PlacementVersion applied_ EPLB_GUARDED_BY(mutex_);
  std::shared_ptr<const SlotMap> map_ EPLB_GUARDED_BY(mutex_);  // null until the first SetSlotMap
  std::array<PhaseFold, kNumPhases> phases_ EPLB_GUARDED_BY(mutex_);
  Counters counters_ EPLB_GUARDED_BY(mutex_);
  std::uint64_t taken_ EPLB_GUARDED_BY(mutex_) = 0;  // reports that were not duplicates
};

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_WORKER_FOLD_H_
