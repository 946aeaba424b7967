#ifndef EPLB_SERVER_PLANNER_FETCH_PACER_H_
#define EPLB_SERVER_PLANNER_FETCH_PACER_H_

#include <cmath>
#include <cstdint>

#include "server/balancer/balancer.h"

namespace eplb {

// What one plan may fetch.
struct FetchAllowance {
  std::int64_t most = 0;
  std::int64_t usual = 0;  // beyond these a fetch must gain more than extra_gain
  double extra_gain = 0;   // fall of the step time by one fetch
};

// Spreads what may be fetched in one window over its plans. Each has an equal part of what is left of the window, and
// may go beyond it, up to all that is left, by fetches that gain more than fetches have gained lately: when traffic
// jumps, what would be spent later buys more now. This is pacing by a learnt price of the budget (S. Balseiro and
// Y. Gur, "Learning in repeated auctions with budgets", Management Science 65, 2019), with an equal part for a start
// since the price of traffic to come is not known. Not thread-safe.
class FetchPacer {
 public:
  // per_window: fetches, >= 0.
  explicit FetchPacer(std::int64_t per_window) : per_window_(per_window) {}
  // In percent, >= 0, of all slots of all layers.
  static FetchPacer ForPercent(double percent, std::int64_t slots) {
    return FetchPacer(static_cast<std::int64_t>(std::floor(percent / 100.0 * static_cast<double>(slots))));
  }

  void StartWindow() { spent_ = 0; }
  // plans_left: in the window, this one included; >= 1.
  FetchAllowance Next(int plans_left);
  // The plan that was made for the last allowance, or without one, and how many of its fetches count.
  void Note(const RebalancePlan& plan, std::int64_t fetches);

 private:
  const std::int64_t per_window_;
  std::int64_t spent_ = 0;  // in this window
  std::int64_t usual_ = 0;  // of the last allowance
  double usual_gain_ = 0;   // fall of the step time by one fetch, in recent plans
  bool has_usual_gain_ = false;
};

// Lowers the budget's total to this where it is larger.
void LimitTotal(std::int64_t most, MoveBudget& budget);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_FETCH_PACER_H_
