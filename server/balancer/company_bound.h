#ifndef EPLB_SERVER_BALANCER_COMPANY_BOUND_H_
#define EPLB_SERVER_BALANCER_COMPANY_BOUND_H_

#include <cstdint>
#include <span>
#include <vector>

namespace eplb {

// A lower bound on the largest GPU load of a layer that sees that slots are few: with two or three slots per GPU
// a heavy replica needs light company, and light replicas are scarce. Dual feasible functions in the sense of
// bin packing (F. Clautiaux, C. Alves, J. Valerio de Carvalho, "A survey of dual-feasible and superadditive functions",
// Annals of Operations Research 179, 2010), with replica counts free.
//
// Let every GPU have at least c slots; count an empty slot as a replica of load 0. Suppose that no GPU exceeds T. A
// weight w(s) of replica loads such that the replicas of every GPU then have weights summing to at most 0 refutes T
// if, whatever the counts, all replicas together have a sum above 0. Two such weights are tried:
//
// * surplus: w(s) = max(0, s - a) - max(0, b - s) with a >= b and a + (c - 1) b = T. If k >= 1 replicas of a GPU are
//   above a, the weights sum to at most (load) - k a - (c - k) b <= T - a - (c - 1) b = 0.
//   With r replicas, an expert of load l weighs max(0, l - r a) - max(0, r b - l): one more replica takes off at most
//   max(b, min(a, l - r a)). The slots beyond one per expert take off at most the largest of these.
// * partners: w(s) = c - 1 if s > T - z, -1 if s < z, else 0, with z <= T / 2: beside a replica above T - z, of which
//   there is at most one, all others of the GPU are below z. The extra slots are spent by a fractional knapsack over:
//   splitting a heavy expert until its replicas need no such partners; splitting experts into partners.
//
// Where the replicas of an expert may take any shares of its load, both fail: a replica may take nothing. What is left
// is to give every part s of a load, whatever it is, the weight w(s) = v(s) - b of the surplus, with
//   v(s) = min(s, b) + max(0, s - a):
// all parts together must then have v summing to at most slots * b, while an expert of load l has at least
//   floor(l / a) b + min(b, l mod a)
// however it is split, which is concave from one multiple of a to the next and repeats, hence subadditive.
//
// Example: 20 9 9 9 9 8 8 8 1 on 3 GPUs x 3 slots. The mean is 27 and the heaviest replica 20, but T = 27.9 would leave
// only 7.9 beside the 20, and of the two partners below 7.9 that it needs there is only one: the bound is 28.
class CompanyBound {
 public:
  struct Shape {
    int slots = 0;        // of all usable GPUs
    int replicas = 0;     // most that may be placed: at most slots, the rest stays empty
    int least_slots = 0;  // on any GPU, c above
    double heaviest = 0;  // a lower bound on the heaviest replica's load
  };

  // loads: [experts] >= 0. Returns a valid bound on the largest load of a GPU of capacity T, at least `bound`, which
  // is one already. Reuses its buffers; not thread-safe.
  double Raise(std::span<const double> loads, const Shape& shape, double bound);

  // The same where the replicas of an expert may take any shares of its load.
  double RaiseForAnyShares(std::span<const double> loads, const Shape& shape, double bound);

 private:
  struct Option {
    double gain;
    double cost;
  };
  void SortLoads(std::span<const double> loads);
  int CountBelow(double limit) const;
  double SumFrom(int first) const { return prefix_.back() - prefix_[static_cast<std::size_t>(first)]; }
  double CountParts(int first, double limit) const;
  bool CanSplitAll(int first, double limit, const Shape& shape) const;
  bool SurplusRefutes(double max, double heavy, const Shape& shape);
  bool AnySharesRefute(double max, double light, const Shape& shape) const;
  bool PartnersRefute(double max, double light, const Shape& shape);
  double SpendOnPartners(double budget);
  void CollectThresholds(const Shape& shape, double bound);

  std::vector<double> ascending_;  // loads
  std::vector<double> prefix_;     // sums of the lightest i
  std::vector<double> rests_;      // what splitting into replicas of exactly `heavy` leaves over
  std::vector<Option> options_;
  std::vector<double> thresholds_;  // values of a worth trying
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_COMPANY_BOUND_H_
