#ifndef EPLB_SERVER_BALANCER_SEARCH_LAYER_SEARCH_H_
#define EPLB_SERVER_BALANCER_SEARCH_LAYER_SEARCH_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "server/balancer/reference/reference_policy.h"
#include "server/balancer/search/flat_array.h"
#include "server/balancer/search/group_packing.h"
#include "server/balancer/search/packing_search.h"
#include "server/balancer/search/sample_search.h"
#include "server/model/constraints.h"
#include "server/model/topology.h"

namespace eplb {

// What the optimizing policy is to place, the same for every layer.
struct SearchProblem {
  const Topology* topology = nullptr;
  const PlacementConstraints* constraints = nullptr;
  int num_experts = 0;
  // Evaluated moves per layer; the answer gets no worse with more. 0: what brings most of the gain, DefaultWorkLimit().
  std::int64_t work_limit = 0;
};

// One layer's loads in one sample: [num_experts], and the sample's weight in the objective.
struct SampleLoads {
  std::span<const double> loads;
  double weight = 1.0;
};

// The optimizing policy: chooses, layer by layer, how many replicas each expert gets and which GPUs hold them, so that
//   sum over samples of weight * max over GPUs of load(g) / speed(g)
// is as low as the work limit lets it find, with every rule of PlacementConstraints kept, nothing on excluded GPUs and
// no two replicas of an expert on one GPU (where a GPU has more slots than there are experts, and only there, the slots
// left over repeat experts).
// Where nothing but the search decides, it is not worse than the published greedy policy with its twins taken apart,
// and so on no layer worse than that policy where it makes none. Where it does, twins may be what makes it good: two of
// an expert's r replicas on a GPU are a share of 2 / r there, which no layout without twins can give. With two slots
// per GPU and few experts that decides one layer in a hundred, by a hundredth. Example, 8 GPUs x 2 slots, loads 362 855
// 356 2095 1590 1783 718 1098: with one twin 1125.8, the optimum without 1143.3. Traffic shares (share_search.h) give
// any share without the waste of a slot. Deterministic: the same input gives the same slots on every run, thread and
// machine; ties are settled by the lowest GPU, slot or expert at every step. The loads of one layer never influence
// another. Owns all scratch memory: after the first layer nothing is allocated. Not thread-safe: one for each worker.
class LayerSearch {
 public:
  // The problem is feasible: the usable slots hold every expert min_replicas times, with groups kept together if
  // asked. Topology and constraints must outlive this.
  explicit LayerSearch(const SearchProblem& problem);

  // samples: at least one. slot_budget: slots to use, at least num_experts times the least replicas; beyond the usable
  // slots it means all of them, below them the rest stay empty.
  // Returns the expert in each slot, kEmptySlot where there is none: [num_slots], valid until the next call.
  std::span<const std::int32_t> Run(std::span<const SampleLoads> samples, int slot_budget);

 private:
  bool ByGroups() const;
  bool ReferenceIsDefined() const;
  ReferenceShape ReferenceShapeOf() const;
  int LeastReplicas() const;
  int GroupOf(int expert) const;
  void CollectGpus(std::optional<int> node);
  void ShareBudget(int budget);
  void ShareAmong(std::optional<int> node, int budget);
  void ShareForNodes();
  void RepeatExperts(int budget);
  double Place(int budget, double enough, std::int64_t work_limit);
  double PlaceSamples(int min_replicas, WorkMeter* work);
  std::span<const std::int32_t> NodesOfGroups();
  void ShareBudgetAmongNodes(std::span<const std::int32_t> node_of_group, int budget);
  void PlaceByGroups(int budget, std::int64_t work_limit);
  double PlaceOnNodes(std::span<const std::int32_t> node_of_group, int budget, double enough, double give_up,
                      std::int64_t work_limit);
  double TryOtherNodes(double max, int budget, std::int64_t work_limit);
  void TakeReferenceIfBetter(double max);

  const Topology& topology_;
  const PlacementConstraints& constraints_;
  const int num_experts_;
  const std::int64_t work_limit_;
  PackingSearch packing_;
  SampleSearch sample_search_;
  SampleSearch::Problem sample_problem_;
  GroupPacking group_packing_;
  std::optional<ReferencePolicy> reference_;  // where it is defined
  std::span<const SampleLoads> samples_;      // of the layer at hand
  double total_weight_ = 0;
  ReplicaLayout layout_;
  FlatArray<double> loads_;  // [experts] weighted mean of the samples
  // The packing problem at hand: a subset of the GPUs and of the experts.
  FlatArray<std::int32_t> gpus_;
  FlatArray<std::int32_t> slots_on_;
  FlatArray<std::int32_t> kept_;           // [gpus] of slots_on_, within the budget
  FlatArray<std::int32_t> fastest_first_;  // [gpus]
  FlatArray<double> speeds_;
  FlatArray<std::int32_t> experts_;
  FlatArray<double> expert_loads_;
  // Groups and nodes.
  FlatArray<double> group_loads_;
  std::vector<GroupPacking::Node> nodes_;  // empty without groups
  FlatArray<double> node_load_;            // per speed
  FlatArray<std::int32_t> node_order_;
  FlatArray<std::int32_t> node_budget_;
  FlatArray<std::int32_t> node_spare_;
  FlatArray<std::int32_t> result_;
  FlatArray<std::int32_t> best_result_;
  std::int64_t work_done_ = 0;  // for the layer at hand
};

// The work limit that 0 stands for: half a millisecond for 300 slots, two or three from 2200 slots on.
std::int64_t DefaultWorkLimit(int num_slots);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_LAYER_SEARCH_H_
