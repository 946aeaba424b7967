#include "server/balancer/company_bound.h"

#include <algorithm>
#include <cmath>

#include "server/base/index.h"

namespace eplb {
namespace {

// Thresholds tried for each weight; beyond these the loads are too alike to matter.
constexpr std::size_t kMaxThresholds = 48;
// Values of b tried for any shares: loads, and parts of the largest possible.
constexpr int kMaxLightLoads = 128;
constexpr int kLightParts = 32;
constexpr int kBisections = 24;
// A refutation must hold by more than rounding could bring about.
constexpr double kSafety = 1e-9;
// Light experts are split into at most this many partners; more would not gain more than the last.
constexpr int kMostParts = 16;

// The largest refuted value in [bound, ...) by bisection, given that refutes(bound) may hold, to within 1e-7.
template <typename Refutes>
double RaiseWhile(double bound, double ceiling, const Refutes& refutes) {
  if (!refutes(bound * (1 + 1e-7))) return bound;
  double low = bound * (1 + 1e-7);
  double high = ceiling;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = (low + high) / 2;
    if (refutes(middle)) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

void CompanyBound::SortLoads(std::span<const double> loads) {
  ascending_.assign(loads.begin(), loads.end());
  std::ranges::sort(ascending_);
  prefix_.resize(loads.size() + 1);
  prefix_[0] = 0;
  for (std::size_t i = 0; i < loads.size(); ++i) prefix_[i + 1] = prefix_[i] + ascending_[i];
}

int CompanyBound::CountBelow(double limit) const {
  return static_cast<int>(std::ranges::lower_bound(ascending_, limit) - ascending_.begin());
}

// Whether the replicas surely suffice to split each expert, from the first one on in ascending order, into parts of at
// most the limit: an expert of load l needs fewer than l / limit more. Neither weight then refutes anything, as each of
// the heavy experts can be made to weigh nothing. Far cheaper to find out than what the refutations sum up.
bool CompanyBound::CanSplitAll(int first, double limit, const Shape& shape) const {
  const int extra = shape.replicas - static_cast<int>(ascending_.size());
  return SumFrom(first) <= extra * limit * (1 - kSafety);
}

// How many whole parts of the limit there are in the loads from the first one on, which are all above it. Rather one
// too many, should rounding matter.
double CompanyBound::CountParts(int first, double limit) const {
  double parts = 0;
  auto from = ascending_.begin() + first;
  for (int i = 1; from != ascending_.end(); ++i) {
    parts += static_cast<double>(ascending_.end() - from);
    from = std::lower_bound(from, ascending_.end(), (i + 1) * limit * (1 - kSafety));
  }
  return parts;
}

// Replica loads that heavy experts may have, from just below the heaviest down: where the surplus bends.
void CompanyBound::CollectThresholds(const Shape& shape, double bound) {
  thresholds_.clear();
  const double least = bound / shape.least_slots;
  for (std::size_t i = ascending_.size(); i-- > 0 && ascending_[i] > least;) {
    int parts = std::max(1, static_cast<int>(std::floor(ascending_[i] / shape.heaviest)));
    for (int tried = 0; tried < 4; ++tried, ++parts) {
      const double load = ascending_[i] / parts;
      if (load <= least) break;
      if (load < shape.heaviest) thresholds_.push_back(load);
    }
  }
  if (thresholds_.size() > kMaxThresholds) {
    std::ranges::nth_element(thresholds_, thresholds_.begin() + kMaxThresholds, std::greater<>());
    thresholds_.resize(kMaxThresholds);
  }
  std::ranges::sort(thresholds_, std::greater<>());
}

bool CompanyBound::SurplusRefutes(double max, double heavy, const Shape& shape) {
  const double light = (max - heavy) / (shape.least_slots - 1);
  if (light > heavy || light < 0) return false;
  const int first_heavy = static_cast<int>(std::ranges::upper_bound(ascending_, heavy) - ascending_.begin());
  if (CanSplitAll(first_heavy, heavy, shape)) return false;
  const int below = CountBelow(light);
  const double lightness = below * light - prefix_[Index(below)];
  const int num_heavy = static_cast<int>(ascending_.size()) - first_heavy;
  // Each slot beyond one per expert takes off at least b.
  const double least_taken = (shape.slots - static_cast<double>(ascending_.size())) * light + lightness;
  if (SumFrom(first_heavy) - num_heavy * heavy <= least_taken) return false;
  // Replicas that split every heavy expert into parts of a take off all of the surplus; each that there is too few of
  // leaves less than a.
  const double extra_slots = shape.replicas - static_cast<double>(ascending_.size());
  if ((CountParts(first_heavy, heavy) - extra_slots) * heavy <= lightness) return false;
  double surplus = 0;
  int full_steps = 0;
  rests_.clear();
  for (std::size_t i = ascending_.size(); i-- > 0 && ascending_[i] > heavy;) {
    surplus += ascending_[i] - heavy;
    const double parts = std::floor(ascending_[i] / heavy);
    full_steps += static_cast<int>(parts) - 1;
    const double rest = ascending_[i] - parts * heavy;
    if (rest > light) rests_.push_back(rest);
  }
  const int extra = shape.replicas - static_cast<int>(ascending_.size());
  const int steps_of_heavy = std::min(extra, full_steps);
  const std::size_t rests = std::min(rests_.size(), Index(extra - steps_of_heavy));
  std::ranges::partial_sort(rests_, rests_.begin() + static_cast<std::ptrdiff_t>(rests), std::greater<>());
  double taken_off = steps_of_heavy * heavy;
  for (std::size_t i = 0; i < rests; ++i) taken_off += rests_[i];
  const int others = shape.slots - static_cast<int>(ascending_.size()) - steps_of_heavy - static_cast<int>(rests);
  taken_off += others * light;
  taken_off += lightness;
  return surplus - taken_off > kSafety * (surplus + max);
}

double CompanyBound::SpendOnPartners(double budget) {
  // A heap, since the budget is spent on a few of them, mostly.
  const auto gains_less = [](const Option& left, const Option& right) {
    return left.gain * right.cost < right.gain * left.cost;
  };
  std::ranges::make_heap(options_, gains_less);
  double gain = 0;
  for (; budget > 0 && !options_.empty(); options_.pop_back()) {
    std::ranges::pop_heap(options_, gains_less);
    const Option& option = options_.back();
    const double share = std::min(1.0, budget / option.cost);
    gain += share * option.gain;
    budget -= share * option.cost;
  }
  return gain;
}

bool CompanyBound::PartnersRefute(double max, double light, const Shape& shape) {
  const double heavy = max - light;
  // Whatever rounding does must make the refutation harder.
  const double heavy_up = heavy * (1 + kSafety);
  const double light_up = light * (1 + kSafety);
  if (light_up >= heavy) return false;
  const int first_heavy = static_cast<int>(std::ranges::upper_bound(ascending_, heavy_up) - ascending_.begin());
  if (CanSplitAll(first_heavy, heavy, shape)) return false;
  const double company = shape.least_slots - 1;  // partners that each heavy replica needs
  double short_of = 0;
  double budget = shape.replicas - static_cast<double>(ascending_.size());
  options_.clear();
  for (std::size_t i = ascending_.size(); i-- > 0 && ascending_[i] > heavy_up;) {
    const double load = ascending_[i];
    const double least = std::max(1.0, std::ceil(load / max - kSafety));  // replicas, so that none exceeds T
    budget -= least - 1;
    double parts = least;
    if (load / least > heavy_up) {
      short_of += company * least;
      parts = std::ceil(load / heavy - kSafety);
      options_.push_back({company * least, parts - least});
    }
    // Split on until every replica is a partner.
    const double partners = std::max(parts + 1, std::ceil(load / light_up));
    options_.push_back({partners, partners - parts});
  }
  if (budget < 0) return true;
  // Experts in between and light ones: q partners for q - 1 slots where the load is below q times `light`.
  int below = CountBelow(light_up);
  short_of -= below + (shape.slots - shape.replicas);
  for (int parts = 2; parts <= kMostParts; ++parts) {
    const int now_below = CountBelow(parts * light_up);
    const double count = now_below - below;
    if (count > 0) options_.push_back({count * parts, count * (parts - 1)});
    below = now_below;
  }
  constexpr double kEndless = 1e9;
  options_.push_back({kEndless * (kMostParts + 1) / kMostParts, kEndless});
  return short_of - SpendOnPartners(budget) > kSafety * company * shape.slots;
}

bool CompanyBound::AnySharesRefute(double max, double light, const Shape& shape) const {
  const double heavy = max - (shape.least_slots - 1) * light;
  if (light <= 0 || light > heavy) return false;
  const int below = CountBelow(light);
  double least = prefix_[Index(below)];
  const int first_heavy = std::max(below, CountBelow(heavy));
  least += (first_heavy - below) * light;  // those in between
  for (std::size_t i = Index(first_heavy); i < ascending_.size(); ++i) {
    const double parts = std::floor(ascending_[i] / heavy);
    least += parts * light + std::min(light, ascending_[i] - parts * heavy);
  }
  return least > shape.slots * light * (1 + kSafety);
}

double CompanyBound::RaiseForAnyShares(std::span<const double> loads, const Shape& shape, double bound) {
  if (shape.least_slots < 2) return bound;
  SortLoads(loads);
  const double ceiling = shape.heaviest * shape.least_slots + bound;
  // The sum bends where b is a load; beyond bound / least_slots b exceeds a.
  const int candidates = CountBelow(bound / shape.least_slots);
  const int stride = std::max(1, candidates / kMaxLightLoads);
  for (int i = candidates - 1; i >= 0; i -= stride) {
    const double light = ascending_[Index(i)];
    bound = RaiseWhile(bound, ceiling, [&](double max) { return AnySharesRefute(max, light, shape); });
  }
  for (int part = 1; part <= kLightParts; ++part) {
    const double ratio = static_cast<double>(part) / (kLightParts * shape.least_slots);
    bound = RaiseWhile(bound, ceiling, [&](double max) { return AnySharesRefute(max, max * ratio, shape); });
  }
  return bound;
}

double CompanyBound::Raise(std::span<const double> loads, const Shape& shape, double bound) {
  if (shape.least_slots < 2) return bound;
  SortLoads(loads);
  // With every replica as light as can be and the lightest experts for company, T is surely not exceeded for that GPU;
  // no weight refutes more than the total allows, so this is high enough.
  const double ceiling = shape.heaviest * shape.least_slots + bound;
  CollectThresholds(shape, bound);
  for (const double heavy : thresholds_) {
    bound = RaiseWhile(bound, ceiling, [&](double max) { return SurplusRefutes(max, heavy, shape); });
  }
  std::size_t tried = 0;
  for (std::size_t i = 0; i < ascending_.size() && ascending_[i] <= bound / 2 && tried < kMaxThresholds; ++i) {
    if (i > 0 && ascending_[i] == ascending_[i - 1]) continue;
    ++tried;
    // Just below a load, so that the expert itself is no partner.
    const double light = ascending_[i] * (1 - 4 * kSafety);
    bound = RaiseWhile(bound, ceiling, [&](double max) { return PartnersRefute(max, light, shape); });
  }
  return bound;
}

}  // namespace eplb
