#include "server/planner/replay.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/balancer/balance_metrics.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/model/contiguous_placement.h"
#include "server/planner/fetch_pacer.h"

namespace eplb {
namespace {

absl::Status CheckReplay(std::span<const LoadMatrix> series, const ReplayOptions& options) {
  FieldErrors errors;
  if (options.sub_windows_per_window < 1) {
    errors.Add("sub_windows_per_window", absl::StrCat(options.sub_windows_per_window), "must be at least 1");
    return errors.ToStatus();
  }
  const auto per_window = static_cast<std::size_t>(options.sub_windows_per_window);
  if (series.size() < 2 * per_window || series.size() % per_window != 0) {
    errors.Add("series", absl::StrCat(series.size(), " sub-windows"),
               absl::StrCat("must be at least two whole windows of ", per_window));
  }
  for (const LoadMatrix& loads : series) {
    if (loads.num_layers() == series[0].num_layers() && loads.num_experts() == series[0].num_experts()) continue;
    errors.Add("series", "", "must have the same layers and experts throughout");
    break;
  }
  if (options.history_sub_windows < 1) {
    errors.Add("history_sub_windows", absl::StrCat(options.history_sub_windows), "must be at least 1");
  }
  if (options.max_fetch_percent && !(*options.max_fetch_percent >= 0)) {
    errors.Add("max_fetch_percent", absl::StrCat(*options.max_fetch_percent), "must be at least 0");
  }
  if (options.max_fetch_percent && IsReference(options.settings.policy)) {
    errors.Add("max_fetch_percent", absl::StrCat(*options.max_fetch_percent), "needs the optimized policy");
  }
  return errors.ToStatus();
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// One run over a series.
class Run {
 public:
  Run(std::span<const LoadMatrix> series, const Topology& topology, const ReplayOptions& options,
      const TickPlanner& planner, const Clock& clock, Placement start)
      : series_(series),
        topology_(topology),
        options_(options),
        planner_(planner),
        clock_(clock),
        per_window_(options.sub_windows_per_window),
        placement_(std::move(start)) {
    if (!options.max_fetch_percent) return;
    const std::int64_t slots = std::int64_t{topology.num_slots()} * placement_.num_layers();
    pacer_.emplace(FetchPacer::ForPercent(*options.max_fetch_percent, slots));
  }

  absl::StatusOr<ReplayResult> All() {
    for (tick_ = 0; tick_ < static_cast<int>(series_.size()); ++tick_) {
      if (tick_ >= per_window_) Score();
      if (tick_ + 1 < per_window_ || (!EndsWindow() && options_.every == ReplayEvery::kWindow)) continue;
      EPLB_RETURN_IF_ERROR(tick_ + 1 == per_window_ ? PlanFirst() : PlanNext());
    }
    return Summary();
  }

 private:
  bool EndsWindow() const { return (tick_ + 1) % per_window_ == 0; }

  void Score() {
    double max = 0;
    double mean = 0;
    const LoadMatrix& loads = series_[static_cast<std::size_t>(tick_)];
    for (const LayerBalance& layer : MeasureBalance(placement_, loads, topology_, slot_shares_)) {
      max += layer.max;
      mean += layer.mean;
      balancedness_sum_ += layer.balancedness();
    }
    max_sum_ += max;
    mean_sum_ += mean;
    result_.step_times.push_back(StepTime(max, mean));
  }

  std::span<const LoadMatrix> History() const {
    const bool is_reference = IsReference(options_.settings.policy);
    const int length = std::min(tick_ + 1, is_reference ? per_window_ : options_.history_sub_windows);
    return series_.subspan(static_cast<std::size_t>(tick_ + 1 - length), static_cast<std::size_t>(length));
  }

  absl::StatusOr<TickPlan> Plan(PlanSettings settings, const std::optional<FetchAllowance>& allowance = {}) const {
    // The engines that run the reference policies take every plan.
    settings.gate_disabled = settings.gate_disabled || IsReference(settings.policy);
    return planner_.Plan({.topology = &topology_,
                          .history = History(),
                          .current = &placement_,
                          .current_shares = slot_shares_,
                          .constraints = options_.constraints,
                          .settings = settings,
                          .usual_fetches = allowance ? std::optional(allowance->usual) : std::nullopt,
                          .extra_gain = allowance ? allowance->extra_gain : 0.0});
  }

  void Adopt(RebalancePlan&& plan) {
    placement_ = std::move(plan.placement);
    slot_shares_ = std::move(plan.slot_shares);
  }

  absl::Status PlanFirst() {
    PlanSettings settings = options_.settings;
    settings.gate_disabled = true;
    settings.budget = {};
    EPLB_ASSIGN_OR_RETURN(TickPlan anew, Plan(settings));
    Adopt(std::move(anew.plan));
    // From the plan for the forecast alone to one that minds its uncertainty.
    settings.budget.per_layer = std::numeric_limits<int>::max();
    if (IsReference(settings.policy)) return absl::OkStatus();
    EPLB_ASSIGN_OR_RETURN(TickPlan refined, Plan(settings));
    Adopt(std::move(refined.plan));
    return absl::OkStatus();
  }

  // Of the window's allowance, for this plan; unset: no limit.
  std::optional<FetchAllowance> Allowance() {
    if (!pacer_) return std::nullopt;
    const int in_window = tick_ % per_window_;
    if (in_window == 0 || options_.every == ReplayEvery::kWindow) pacer_->StartWindow();
    return pacer_->Next(options_.every == ReplayEvery::kWindow ? 1 : per_window_ - in_window);
  }

  absl::Status PlanNext() {
    PlanSettings settings = options_.settings;
    const std::optional<FetchAllowance> allowance = Allowance();
    if (allowance) LimitTotal(allowance->most, settings.budget);
    const absl::Duration start = clock_.Monotonic();
    EPLB_ASSIGN_OR_RETURN(TickPlan tick, Plan(settings, allowance));
    plan_ms_.push_back(absl::ToDoubleMilliseconds(clock_.Monotonic() - start));
    ++result_.plans;
    NoteRefusals(tick);
    int fetches = 0;
    if (tick.unchanged == UnchangedReason::kNone) {
      fetches = tick.plan.fetches();
      result_.gain_gpu_seconds += tick.gain_gpu_seconds;
      result_.cost_gpu_seconds += tick.cost_gpu_seconds;
    } else {
      ++result_.plans_skipped;
    }
    result_.fetches += fetches;
    if (pacer_) pacer_->Note(tick.plan, fetches);
    result_.fetches_by_tick.push_back(fetches);
    if (tick.unchanged == UnchangedReason::kNone) Adopt(std::move(tick.plan));
    return absl::OkStatus();
  }

  // Counts what is refused now and was not by the plan before.
  void NoteRefusals(const TickPlan& tick) {
    const bool skipped = tick.unchanged != UnchangedReason::kNone;
    refused_.resize(tick.plan.layers.size());
    for (std::size_t i = 0; i < refused_.size(); ++i) {
      const LayerReport& layer = tick.plan.layers[i];
      const int refused = layer.refused_fetches + (skipped ? layer.fetches : 0);
      result_.fetches_refused += std::max(0, refused - std::exchange(refused_[i], refused));
    }
  }

  ReplayResult Summary() {
    const auto windows = static_cast<int>(series_.size()) / per_window_;
    const double layer_scores = static_cast<double>(result_.step_times.size()) * placement_.num_layers();
    result_.windows = windows;
    result_.step_time = StepTime(max_sum_, mean_sum_);
    result_.balancedness = balancedness_sum_ / layer_scores;
    result_.fetch_percent = 100.0 * static_cast<double>(result_.fetches) / (windows - 1) /
                            (static_cast<double>(topology_.num_slots()) * placement_.num_layers());
    result_.plan_ms_median = Median(plan_ms_);
    const double bandwidth = topology_.num_nodes() > 1 ? options_.settings.inter_node_bytes_per_second
                                                       : options_.settings.intra_node_bytes_per_second;
    result_.saved_gpu_seconds = 2.0 * static_cast<double>(result_.fetches_refused) *
                                static_cast<double>(options_.settings.bytes_per_expert) / bandwidth;
    return std::move(result_);
  }

  std::span<const LoadMatrix> series_;
  const Topology& topology_;
  const ReplayOptions& options_;
  const TickPlanner& planner_;
  const Clock& clock_;
  const int per_window_;
  Placement placement_;
  std::vector<double> slot_shares_;  // of placement_, as in RebalancePlan; empty: equal ones
  std::vector<int> refused_;         // [layers] fetches that the newest plan did not make
  int tick_ = 0;
  std::optional<FetchPacer> pacer_;
  double max_sum_ = 0;
  double mean_sum_ = 0;
  double balancedness_sum_ = 0;
  std::vector<double> plan_ms_;
  ReplayResult result_;
};

}  // namespace

absl::StatusOr<ReplayResult> Replay(std::span<const LoadMatrix> series, const Topology& topology,
                                    const ReplayOptions& options, const TickPlanner& planner, const Clock& clock) {
  EPLB_RETURN_IF_ERROR(CheckReplay(series, options));
  EPLB_ASSIGN_OR_RETURN(Placement start,
                        ContiguousPlacement(series[0].num_layers(), series[0].num_experts(), topology));
  return Run(series, topology, options, planner, clock, std::move(start)).All();
}

}  // namespace eplb
