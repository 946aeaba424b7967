#include "server/telemetry/worker_fold.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr absl::Duration kMaxWindow = absl::Hours(24);

absl::Status CheckTokens(std::string_view field, std::span<const std::uint64_t> tokens, std::size_t expected) {
  if (tokens.size() != expected) {
    return FieldErrorStatus(field, absl::StrCat(tokens.size(), " values"),
                            absl::StrCat("must be layers x width = ", expected));
  }
  std::uint64_t all_bits = 0;  // one pass without a branch: the bound is a power of two
  for (const std::uint64_t value : tokens) all_bits |= value;
  if (all_bits < kMaxReportTokens) return absl::OkStatus();
  const auto bad = std::find_if(tokens.begin(), tokens.end(), [](std::uint64_t v) { return v >= kMaxReportTokens; });
  return FieldErrorStatus(absl::StrCat(std::string(field), "[", bad - tokens.begin(), "]"), absl::StrCat(*bad),
                          absl::StrCat("must be less than ", kMaxReportTokens));
}

}  // namespace

WorkerFold::WorkerFold(const FoldShape& shape, ExpertFold& experts, int warmup_reports)
    : shape_(shape), warmup_reports_(warmup_reports), experts_(experts) {}

absl::Status WorkerFold::Validate(const LoadReportView& report) const {
  if (report.sequence == 0) return FieldErrorStatus("report.sequence", "0", "must be at least 1");
  if (report.window <= absl::ZeroDuration() || report.window > kMaxWindow) {
    return FieldErrorStatus("report.window", absl::FormatDuration(report.window), "must be above 0 and at most 24h");
  }
  if (report.expert_time < absl::ZeroDuration() || report.expert_time > kMaxWindow) {
    return FieldErrorStatus("report.expert_time", absl::FormatDuration(report.expert_time),
                            "must be at least 0 and at most 24h");
  }
  if (report.expert_tokens.empty() == report.slot_tokens.empty()) {
    return FieldErrorStatus("report.expert_tokens", report.expert_tokens.empty() ? "none" : "given with slot_tokens",
                            "exactly one of expert_tokens and slot_tokens must be given");
  }
  if (report.slot_tokens.empty()) {
    return CheckTokens("report.expert_tokens", report.expert_tokens, shape_.num_cells());
  }
  return CheckTokens("report.slot_tokens", report.slot_tokens, shape_.num_slot_cells());
}

absl::StatusOr<WorkerFold::Result> WorkerFold::Fold(const LoadReportView& report, absl::Duration now) {
  EPLB_RETURN_IF_ERROR(Validate(report));
  MutexLock lock(mutex_);
  const bool warmup = report.warmup || taken_ < static_cast<std::uint64_t>(warmup_reports_);
  if (!warmup && !report.slot_tokens.empty()) {
    const PlacementVersion version = report.placement.value_or(applied_);
    if (map_ == nullptr || map_->version != version) {
      return Result{.step = Step::kNeedsPlacement, .version = version};
    }
  }
  const Result result = Take(report, warmup ? ReportOutcome::kWarmup : ReportOutcome::kFolded, now);
  if (result.outcome == ReportOutcome::kFolded) Count(report);
  return result;
}

WorkerFold::Result WorkerFold::Skip(const LoadReportView& report, ReportOutcome outcome, absl::Duration now) {
  MutexLock lock(mutex_);
  return Take(report, outcome, now);
}

WorkerFold::Result WorkerFold::Take(const LoadReportView& report, ReportOutcome outcome, absl::Duration now) {
  const auto lost_before = static_cast<std::int64_t>(sequences_.lost());
  const SequenceTracker::Arrival arrival = sequences_.Take(report.sequence);
  if (arrival == SequenceTracker::Arrival::kDuplicate) outcome = ReportOutcome::kDuplicate;
  if (arrival == SequenceTracker::Arrival::kLate) outcome = ReportOutcome::kLate;
  if (arrival != SequenceTracker::Arrival::kDuplicate) ++taken_;
  counters_.last_heard = std::max(counters_.last_heard, now);
  counters_.last_report = now;
  counters_.lost = sequences_.lost();
  if (outcome == ReportOutcome::kFolded) ++counters_.folded;
  if (outcome == ReportOutcome::kWarmup) ++counters_.warmup;
  if (outcome == ReportOutcome::kShed) ++counters_.dropped;
  return Result{.outcome = outcome,
                .acked_sequence = sequences_.highest(),
                .newly_lost = static_cast<std::int64_t>(sequences_.lost()) - lost_before};
}

void WorkerFold::Count(const LoadReportView& report) {
  PhaseFold& phase = phases_[static_cast<std::size_t>(report.phase)];
  if (report.expert_time > absl::ZeroDuration()) {
    phase.expert_time += report.expert_time;
    phase.expert_time_window += report.window;
  }
  if (!report.expert_tokens.empty()) {
    phase.expert_window += report.window;
    experts_.Add(report.phase, report.expert_tokens, report.window);
    return;
  }
  phase.slot_window += report.window;
  phase.slots.resize(shape_.num_slot_cells(), 0);
  std::uint64_t* out = phase.slots.data();
  const std::size_t count = report.slot_tokens.size();
  for (std::size_t i = 0; i < count; ++i) out[i] += report.slot_tokens[i];
}

void WorkerFold::SetSlotMap(std::shared_ptr<const SlotMap> map) {
  EPLB_CHECK(map != nullptr && map->cell_of_slot.size() == shape_.num_slot_cells());
  MutexLock lock(mutex_);
  for (std::size_t phase = 0; map_ != nullptr && phase < kNumPhases; ++phase) {
    PhaseFold& fold = phases_[phase];
    fold.last.clear();  // its slots hold other experts now
    if (fold.slots.empty() || fold.slot_window == absl::ZeroDuration()) continue;
    experts_.AddSlots(static_cast<Phase>(phase), fold.slots, map_->cell_of_slot);
    std::fill(fold.slots.begin(), fold.slots.end(), 0);
  }
  map_ = std::move(map);
}

void WorkerFold::SetAppliedVersion(PlacementVersion version) {
  MutexLock lock(mutex_);
  applied_ = version;
}

void WorkerFold::MergeSlots(double scale, PhaseFold& phase, std::vector<double>& sum) {
  sum.resize(shape_.num_cells(), 0.0);
  phase.last.resize(phase.slots.size(), 0.0F);
  for (std::size_t i = 0; i < phase.slots.size(); ++i) {
    const double tokens = scale * static_cast<double>(phase.slots[i]);
    phase.last[i] = static_cast<float>(tokens);
    const std::int32_t cell = map_->cell_of_slot[i];
    if (cell >= 0) sum[static_cast<std::size_t>(cell)] += tokens;
  }
  std::fill(phase.slots.begin(), phase.slots.end(), 0);
}

void WorkerFold::MergeLast(const PhaseFold& phase, std::vector<double>& sum) {
  if (phase.last.empty()) return;
  sum.resize(shape_.num_cells(), 0.0);
  for (std::size_t i = 0; i < phase.last.size(); ++i) {
    const std::int32_t cell = map_->cell_of_slot[i];
    if (cell >= 0) sum[static_cast<std::size_t>(cell)] += static_cast<double>(phase.last[i]);
  }
}

void WorkerFold::Close(absl::Duration interval, bool use_last, std::array<int, kNumPhases>& expert_workers,
                       LoadSum& sum) {
  MutexLock lock(mutex_);
  const bool reported = std::any_of(phases_.begin(), phases_.end(), [](const PhaseFold& phase) {
    return phase.slot_window > absl::ZeroDuration() || phase.expert_window > absl::ZeroDuration();
  });
  for (std::size_t i = 0; i < kNumPhases; ++i) {
    PhaseFold& phase = phases_[i];
    if (phase.expert_window > absl::ZeroDuration()) ++expert_workers[i];
    if (phase.slot_window > absl::ZeroDuration()) {
      MergeSlots(WindowScale(interval, phase.slot_window), phase, sum.tokens[i]);
    } else if (reported) {
      phase.last.clear();  // no traffic of this phase is news, not silence
    } else if (use_last) {
      MergeLast(phase, sum.tokens[i]);
    }
    sum.expert_time += phase.expert_time;
    sum.expert_time_window += phase.expert_time_window;
    phase.slot_window = phase.expert_window = absl::ZeroDuration();
    phase.expert_time = phase.expert_time_window = absl::ZeroDuration();
  }
  sequences_.CloseSubWindow();
  if (reported) ++sum.reporting_workers;
}

void WorkerFold::Heard(absl::Duration now) {
  MutexLock lock(mutex_);
  counters_.last_heard = std::max(counters_.last_heard, now);
}

WorkerFold::Counters WorkerFold::counters() const {
  MutexLock lock(mutex_);
  Counters counters = counters_;
  counters.acked_sequence = sequences_.highest();
  return counters;
}

}  // namespace eplb
