#ifndef EPLB_SERVER_BALANCER_LOWER_BOUND_H_
#define EPLB_SERVER_BALANCER_LOWER_BOUND_H_

#include <span>
#include <vector>

#include "server/balancer/company_bound.h"
#include "server/balancer/search/group_packing.h"
#include "server/model/constraints.h"
#include "server/model/topology.h"

namespace eplb {

// A proven lower bound on the largest GPU load (tokens per unit of speed, see balance_metrics.h) of any placement of
// one layer that keeps the constraints and shares each expert's load evenly over its replicas. The largest of
//   * the mean: total load / total speed of the usable GPUs that have slots;
//   * the min-max replica load: with `slots` usable slots, the smallest value that the load of the heaviest replica can
//     take when replica counts are free. Giving each further replica to the heaviest is optimal for that (an exchange
//     argument: an expert above the value needs one more replica in every better choice), from the replicas that the
//     constraints ask of every expert on. It is divided by the highest
//     speed, since the heaviest replica may sit on the fastest GPU;
//   * the company bound (company_bound.h), which knows that a heavy replica needs light company: for few slots per GPU.
//     Uneven slots count as the fewest on any GPU, unequal speeds as the highest: weaker then, but still valid;
//   * with honour_groups, the least that the most loaded node must carry per speed (search/group_packing.h), where that
//     can be found out: a node is no more balanced within than perfectly.
// Reuses its buffers; not thread-safe, one for each worker.
class LowerBound {
 public:
  // With default constraints the bound holds for every placement. The experts of a problem with honour_groups divide
  // into the topology's groups.
  explicit LowerBound(const Topology& topology, const PlacementConstraints& constraints = {}, int num_experts = 0);

  // The bound for one layer. loads: [num_experts], >= 0. slots >= num_experts: how many may be used; the rest stays
  // empty. `reached`: what some placement achieves; the company bound, which costs most, is left out where the others
  // are within a ten-thousandth of it. 0 leaves nothing out.
  double Prove(std::span<const double> loads, int slots, double reached = 0);

  // The same, for placements whose replicas may take any shares of their expert's load: the mean, the min-max replica
  // load, since one of n replicas takes at least 1/n, and what of the company bound and of the groups' nodes holds.
  double ProveForAnyShares(std::span<const double> loads, int slots, double reached = 0);

 private:
  struct Candidate {
    double load_per_replica;
    double load;
    int replicas;

    bool operator<(const Candidate& other) const { return load_per_replica < other.load_per_replica; }
  };
  enum class Shares { kEven, kAny };
  double ProveFor(Shares shares, std::span<const double> loads, int slots, double reached);
  double HeaviestNode(std::span<const double> loads);
  double MinMaxReplicaLoad(std::span<const double> loads, int slots);
  int CountReplicasFor(double limit, int least) const;
  int SplitTo(double limit, int least);

  double total_speed_ = 0;
  double top_speed_ = 0;
  int usable_slots_ = 0;
  int least_slots_ = 0;
  int least_replicas_ = 1;
  std::vector<Candidate> heap_;
  CompanyBound company_;
  std::vector<GroupPacking::Node> nodes_;  // empty without groups
  int num_groups_ = 1;
  std::vector<double> group_loads_;
  GroupPacking groups_;
};

// LowerBound::Prove for once.
double LayerLowerBound(std::span<const double> loads, int slots, const Topology& topology);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_LOWER_BOUND_H_
