#ifndef EPLB_SERVER_BALANCER_SEARCH_GROUP_PACKING_H_
#define EPLB_SERVER_BALANCER_SEARCH_GROUP_PACKING_H_

#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "server/balancer/search/flat_array.h"

namespace eplb {

// Expert groups that must each stay on one node, to be spread so that the largest node load per speed is least: what
// the nodes carry bounds what any placement within them can reach, so this is searched to the end where it can be.
// Depth first over the groups, heaviest first, each to the nodes in order of what they would then carry, cut off where
// the best is reached already; equal nodes are tried once. 8 groups on 4 nodes are 105 leaves at most. Beyond
// kMaxSteps or kMaxVisits the best so far stands, which is never worse than heaviest-first to the lightest node.
// Reuses its buffers; not thread-safe.
class GroupPacking {
 public:
  static constexpr int kMaxSteps = 20000;
  static constexpr std::int64_t kMaxVisits = 1 << 22;  // nodes looked at, of which each step looks at all

  struct Node {
    double speed = 0;        // sum over its usable GPUs
    std::int32_t room = 0;   // groups that its slots can hold
    std::int32_t least = 0;  // groups below which it would have more slots than it can use without twins
  };

  // loads: [groups]. Returns the node of each group, valid until the next call; empty if the room does not suffice.
  // Nodes without speed get no group. Every node gets its least number of groups if there are enough groups for that,
  // else at least one if there are enough for that.
  std::span<const std::int32_t> Run(std::span<const double> loads, std::span<const Node> nodes);

  // Calls visit(node of each group) with assignments whose largest node load per speed is below `limit`, the one found
  // by Run among them, as far as the steps go. visit returns the limit from there on. Does not change what the last Run
  // found, for whose loads and nodes it is, which must still be there.
  void VisitBelow(double limit, absl::FunctionRef<double(std::span<const std::int32_t>)> visit);

  // Of the last Run: the largest node load per speed, infinite if the room did not suffice, and whether the search was
  // carried to its end, so that no assignment has a lower one.
  double max() const { return best_max_; }
  bool proven() const { return proven_; }

 private:
  using Visit = absl::FunctionRef<double(double max)>;

  void Start(double limit);
  void Descend(int depth, double max, Visit visit);
  // The nodes to try for the group at this depth, best first; those before are given away. Returns how many.
  int Rank(int depth, std::int32_t* choices);
  bool SameAsEarlier(int node);
  bool OutOfWork() const { return steps_ > kMaxSteps || visits_ > kMaxVisits; }
  void SetLeast();

  std::span<const double> loads_;
  std::span<const Node> nodes_;
  int steps_ = 0;
  std::int64_t visits_ = 0;
  double limit_ = 0;  // below which an assignment is visited
  double best_max_ = 0;
  bool proven_ = false;
  FlatArray<std::int32_t> order_;      // [groups] heaviest first
  FlatArray<std::int32_t> node_of_;    // [groups]
  FlatArray<std::int32_t> best_;       // [groups]
  FlatArray<double> node_load_;        // [nodes]
  FlatArray<std::int32_t> node_room_;  // [nodes]
  FlatArray<std::int32_t> missing_;    // [nodes] groups short of the least; negative beyond it
  int total_missing_ = 0;              // sum of those above 0
  FlatArray<std::int32_t> choices_;    // [groups x nodes] nodes to try at each depth
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_SEARCH_GROUP_PACKING_H_
