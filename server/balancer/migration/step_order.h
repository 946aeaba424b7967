#ifndef EPLB_SERVER_BALANCER_MIGRATION_STEP_ORDER_H_
#define EPLB_SERVER_BALANCER_MIGRATION_STEP_ORDER_H_

#include <cstdint>
#include <span>
#include <vector>

namespace eplb {

// Orders the slot writes of one layer into the smallest steps that keep every expert.
//
// A write puts expert `gains` into a slot and loses expert `loses` (or nothing, if the slot was empty). Expert e has
// spare(e) >= 0 replicas more than must remain; a set of writes may be applied as one step if no spare is negative
// afterwards. Read a write as an edge loses -> gains of a graph whose nodes are experts, and a spare replica as a token
// on its node: the write moves a token along the edge. Each edge is to be used once. Then, in each weakly connected
// component:
//   * if some node has more edges out than in, the edges are covered by trails that start at such nodes, as many as the
//     surplus, each starting with a token of its own (Euler's theorem, with an extra node that closes the trails to
//     a circuit): every write is a step of its own. An empty slot is a node of its own with only edges out;
//   * else, if some node has a token, the component is one Eulerian circuit from that node: again single writes;
//   * else every node with edges has as many in as out and no token: whatever the order, the first step must contain a
//     cycle, and leaves the rest as it was. With one replica to keep, no node has two edges, so the component is one
//     cycle: one step, which no order makes smaller. (With more replicas to keep a component may be cut into cycles
//     in several ways; the shortest cycle through its lowest expert is taken first.)
// So the number of steps is the largest possible where one replica must remain. O(writes).
//
// Worked example: slots hold A A B C, and B C A A is wanted: edges A->B, A->C, B->A, C->A, one spare A. The circuit
// A->B, B->A, A->C, C->A gives four steps of one write. Had there been one A less (A B C to B C A), it were one step of
// three.
//
// Owns its buffers; not thread-safe.
class StepOrder {
 public:
  struct Write {
    std::int32_t loses;  // expert, or kEmptySlot
    std::int32_t gains;  // expert, other than loses
  };

  explicit StepOrder(int num_experts);

  // spare: [num_experts] replicas that may go; spare[e] + writes that gain e - writes that lose e >= 0.
  void Run(std::span<const Write> writes, std::span<const std::int32_t> spare);

  // Writes (indices) in the order of their steps; within a step of several, each write gains what the next one loses,
  // the last what the first loses. Until the next Run.
  std::span<const std::int32_t> order() const { return order_; }
  // First entry of order() of each step, and at last order().size().
  std::span<const std::int32_t> first_of_step() const { return first_of_step_; }

 private:
  void BuildGraph(std::span<const Write> writes);
  void AddNode(std::int32_t expert);
  // Appends the circuit from `start` over edges not used yet, every write a step.
  void AppendCircuit(std::int32_t start);
  // Appends cycles through `node` as steps until it has no unused edge.
  void AppendCycles(std::int32_t node, std::span<const Write> writes);
  std::int32_t NodeOf(std::int32_t expert) const;

  // Nodes: 0 joins the ends of trails to their starts, 1 is the empty slot, then experts in the order of appearance.
  std::vector<std::int32_t> node_of_expert_;  // [experts], -1 for those that no write names
  std::vector<std::int32_t> experts_;         // of the nodes from 2 on
  struct Edge {
    std::int32_t to;
    std::int32_t write;  // -1 for edges of node 0
  };
  std::vector<std::int32_t> surplus_;     // [nodes] edges out - edges in
  std::vector<std::int32_t> first_edge_;  // [nodes + 1]
  std::vector<std::int32_t> next_edge_;   // [nodes] the first edge not used
  std::vector<Edge> edges_;
  struct Visit {
    std::int32_t node;
    std::int32_t write;  // that led there
  };
  std::vector<Visit> stack_;
  std::vector<std::int32_t> reversed_;    // writes of a circuit, last one first
  std::vector<std::int32_t> reached_by_;  // [nodes] breadth-first search: the edge that led to a node
  std::vector<std::int32_t> queue_;
  std::vector<bool> used_;  // [edges]
  std::vector<std::int32_t> order_;
  std::vector<std::int32_t> first_of_step_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_MIGRATION_STEP_ORDER_H_
