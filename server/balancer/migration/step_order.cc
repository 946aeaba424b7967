#include "server/balancer/migration/step_order.h"

#include <algorithm>

#include "server/base/check.h"
#include "server/base/index.h"
#include "server/model/placement.h"

namespace eplb {
namespace {

constexpr std::int32_t kJoin = 0;
constexpr std::int32_t kEmpty = 1;

}  // namespace

StepOrder::StepOrder(int num_experts) : node_of_expert_(Index(num_experts), -1) {}

std::int32_t StepOrder::NodeOf(std::int32_t expert) const {
  return expert == kEmptySlot ? kEmpty : node_of_expert_[Index(expert)];
}

void StepOrder::AddNode(std::int32_t expert) {
  if (expert == kEmptySlot || node_of_expert_[Index(expert)] >= 0) return;
  node_of_expert_[Index(expert)] = static_cast<std::int32_t>(experts_.size()) + 2;
  experts_.push_back(expert);
}

void StepOrder::BuildGraph(std::span<const Write> writes) {
  for (const std::int32_t expert : experts_) node_of_expert_[Index(expert)] = -1;
  experts_.clear();
  for (const Write& write : writes) {
    AddNode(write.loses);
    AddNode(write.gains);
  }
  const std::size_t num_nodes = experts_.size() + 2;
  surplus_.assign(num_nodes, 0);
  first_edge_.assign(num_nodes + 1, 0);
  for (const Write& write : writes) {
    ++surplus_[Index(NodeOf(write.loses))];
    --surplus_[Index(NodeOf(write.gains))];
    ++first_edge_[Index(NodeOf(write.loses)) + 1];
  }
  for (std::size_t node = 1; node < num_nodes; ++node) {
    if (surplus_[node] > 0) first_edge_[kJoin + 1] += surplus_[node];
    if (surplus_[node] < 0) first_edge_[node + 1] -= surplus_[node];
  }
  for (std::size_t node = 0; node < num_nodes; ++node) first_edge_[node + 1] += first_edge_[node];
  edges_.resize(Index(first_edge_.back()));
  next_edge_.assign(first_edge_.begin(), first_edge_.end() - 1);
  for (std::size_t i = 0; i < writes.size(); ++i) {
    std::int32_t& edge = next_edge_[Index(NodeOf(writes[i].loses))];
    edges_[Index(edge++)] = {.to = NodeOf(writes[i].gains), .write = static_cast<std::int32_t>(i)};
  }
  for (std::size_t node = 1; node < num_nodes; ++node) {
    for (std::int32_t i = 0; i < surplus_[node]; ++i) {
      edges_[Index(next_edge_[kJoin]++)] = {.to = static_cast<std::int32_t>(node), .write = -1};
    }
    for (std::int32_t i = surplus_[node]; i < 0; ++i) edges_[Index(next_edge_[node]++)] = {.to = kJoin, .write = -1};
  }
  next_edge_.assign(first_edge_.begin(), first_edge_.end() - 1);
}

void StepOrder::Run(std::span<const Write> writes, std::span<const std::int32_t> spare) {
  order_.clear();
  first_of_step_.assign(1, 0);
  BuildGraph(writes);
  AppendCircuit(kJoin);
  for (std::size_t i = 0; i < experts_.size(); ++i) {
    if (spare[Index(experts_[i])] > 0) AppendCircuit(static_cast<std::int32_t>(i) + 2);
  }
  // What remains has no token. An edge is unused from next_edge_ on.
  used_.assign(edges_.size(), false);
  for (std::size_t node = 0; node < next_edge_.size(); ++node) {
    for (std::int32_t i = first_edge_[node]; i < next_edge_[node]; ++i) used_[Index(i)] = true;
  }
  for (std::size_t i = 0; i < experts_.size(); ++i) AppendCycles(static_cast<std::int32_t>(i) + 2, writes);
  EPLB_CHECK(order_.size() == writes.size());
}

void StepOrder::AppendCircuit(std::int32_t start) {
  // Hierholzer's algorithm: going back from a dead end writes the circuit down from its end.
  reversed_.clear();
  stack_.assign(1, {.node = start, .write = -1});
  while (!stack_.empty()) {
    const Visit visit = stack_.back();
    std::int32_t& next = next_edge_[Index(visit.node)];
    if (next < first_edge_[Index(visit.node) + 1]) {
      const Edge edge = edges_[Index(next++)];
      stack_.push_back({.node = edge.to, .write = edge.write});
    } else {
      stack_.pop_back();
      if (visit.write >= 0) reversed_.push_back(visit.write);
    }
  }
  for (auto write = reversed_.rbegin(); write != reversed_.rend(); ++write) {
    order_.push_back(*write);
    first_of_step_.push_back(static_cast<std::int32_t>(order_.size()));
  }
}

void StepOrder::AppendCycles(std::int32_t node, std::span<const Write> writes) {
  while (next_edge_[Index(node)] < first_edge_[Index(node) + 1]) {
    reached_by_.assign(experts_.size() + 2, -1);
    queue_.assign(1, node);
    for (std::size_t head = 0; head < queue_.size() && reached_by_[Index(node)] < 0; ++head) {
      const std::size_t from = Index(queue_[head]);
      for (std::int32_t i = first_edge_[from]; i < first_edge_[from + 1]; ++i) {
        const std::size_t to = Index(edges_[Index(i)].to);
        if (used_[Index(i)] || reached_by_[to] >= 0) continue;
        reached_by_[to] = i;
        queue_.push_back(edges_[Index(i)].to);
      }
    }
    EPLB_CHECK(reached_by_[Index(node)] >= 0);
    const std::size_t first = order_.size();
    std::int32_t at = node;
    do {
      const std::int32_t edge = reached_by_[Index(at)];
      used_[Index(edge)] = true;
      order_.push_back(edges_[Index(edge)].write);
      at = NodeOf(writes[Index(edges_[Index(edge)].write)].loses);
      std::int32_t& next = next_edge_[Index(at)];
      while (next < first_edge_[Index(at) + 1] && used_[Index(next)]) ++next;
    } while (at != node);
    std::reverse(order_.begin() + static_cast<std::ptrdiff_t>(first), order_.end());
    first_of_step_.push_back(static_cast<std::int32_t>(order_.size()));
  }
}

}  // namespace eplb
