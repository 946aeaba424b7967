#include "server/planner/fetch_pacer.h"

#include <algorithm>
#include <limits>

#include "server/base/check.h"

namespace eplb {
namespace {

// Weight of the newest plan in the usual gain: some ten plans are remembered.
constexpr double kNewest = 0.1;

}  // namespace

FetchAllowance FetchPacer::Next(int plans_left) {
  EPLB_CHECK(plans_left >= 1);
  const std::int64_t left = std::max<std::int64_t>(0, per_window_ - spent_);
  usual_ = left / plans_left;
  // Nothing goes beyond an equal part before it is known what fetches gain.
  return {.most = left,
          .usual = usual_,
          .extra_gain = has_usual_gain_ ? usual_gain_ : std::numeric_limits<double>::infinity()};
}

void FetchPacer::Note(const RebalancePlan& plan, std::int64_t fetches) {
  spent_ += fetches;
  double gain = 0;
  double mean = 0;
  for (const LayerReport& layer : plan.layers) {
    gain += layer.gain;
    mean += layer.after.mean;
  }
  if (mean <= 0) return;
  // Where a plan leaves most of its part unused, further fetches cost nothing else. (One fetch may be left over since
  // an exchange takes two.)
  const double newest = fetches == 0 || 2 * fetches < usual_ ? 0.0 : gain / mean / static_cast<double>(fetches);
  usual_gain_ = has_usual_gain_ ? usual_gain_ + kNewest * (newest - usual_gain_) : newest;
  has_usual_gain_ = true;
}

void LimitTotal(std::int64_t most, MoveBudget& budget) {
  const auto total = static_cast<int>(std::min<std::int64_t>(most, std::numeric_limits<int>::max()));
  budget.total = std::min(budget.total.value_or(total), total);
}

}  // namespace eplb
