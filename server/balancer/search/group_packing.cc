#include "server/balancer/search/group_packing.h"

#include <algorithm>
#include <limits>

namespace eplb {

// An equal node with a lower number: to try both would be to try the same thing twice.
bool GroupPacking::SameAsEarlier(int node) {
  for (int other = 0; other < node; ++other) {
    ++visits_;
    if (node_load_[other] == node_load_[node] && node_room_[other] == node_room_[node] &&
        missing_[other] == missing_[node] &&
        nodes_[static_cast<std::size_t>(other)].speed == nodes_[static_cast<std::size_t>(node)].speed) {
      return true;
    }
  }
  return false;
}

int GroupPacking::Rank(int depth, std::int32_t* choices) {
  const double load = loads_[static_cast<std::size_t>(order_[depth])];
  const int num_nodes = static_cast<int>(nodes_.size());
  const auto after = [&](int node) { return (node_load_[node] + load) / nodes_[static_cast<std::size_t>(node)].speed; };
  const auto before = [&](std::int32_t left, std::int32_t right) {
    return after(left) != after(right) ? after(left) < after(right) : left < right;
  };
  visits_ += num_nodes;
  const bool only_best = OutOfWork();
  int count = 0;
  for (int node = 0; node < num_nodes; ++node) {
    // What is left must be able to make up for every node that is short.
    const bool lasts = missing_[node] > 0 || total_missing_ < order_.size() - depth;
    if (!lasts || node_room_[node] <= 0 || nodes_[static_cast<std::size_t>(node)].speed <= 0) continue;
    if (only_best) {
      if (count == 0 || before(node, choices[0])) choices[0] = node;
      count = 1;
    } else if (!SameAsEarlier(node)) {
      choices[count++] = node;
    }
  }
  std::sort(choices, choices + count, before);
  return count;
}

void GroupPacking::Descend(int depth, double max, Visit visit) {
  if (depth == order_.size()) {
    limit_ = visit(max);
    return;
  }
  const std::int32_t group = order_[depth];
  const double load = loads_[static_cast<std::size_t>(group)];
  std::int32_t* choices = choices_.data() + depth * static_cast<std::ptrdiff_t>(nodes_.size());
  const int count = Rank(depth, choices);
  for (int i = 0; i < count; ++i) {
    const std::int32_t node = choices[i];
    const double peak = std::max(max, (node_load_[node] + load) / nodes_[static_cast<std::size_t>(node)].speed);
    // The first descent always ends in a leaf if there is one.
    if (peak >= limit_ || (OutOfWork() && !best_.span().empty())) break;
    ++steps_;
    const double load_before = node_load_[node];
    node_of_[group] = node;
    node_load_[node] += load;
    --node_room_[node];
    if (missing_[node]-- > 0) --total_missing_;
    Descend(depth + 1, peak, visit);
    node_load_[node] = load_before;
    ++node_room_[node];
    if (++missing_[node] > 0) ++total_missing_;
  }
}

void GroupPacking::SetLeast() {
  const int num_nodes = static_cast<int>(nodes_.size());
  missing_.Resize(num_nodes);
  for (const bool full : {true, false}) {
    total_missing_ = 0;
    for (int i = 0; i < num_nodes; ++i) {
      const Node& node = nodes_[static_cast<std::size_t>(i)];
      missing_[i] = node.speed > 0 ? std::min({node.room, node.least, full ? node.least : 1}) : 0;
      total_missing_ += missing_[i];
    }
    if (total_missing_ <= order_.size()) return;
  }
  missing_.Assign(num_nodes, 0);
  total_missing_ = 0;
}

std::span<const std::int32_t> GroupPacking::Run(std::span<const double> loads, std::span<const Node> nodes) {
  loads_ = loads;
  nodes_ = nodes;
  const int num_groups = static_cast<int>(loads.size());
  order_.Resize(num_groups);
  for (int group = 0; group < num_groups; ++group) order_[group] = group;
  std::ranges::sort(order_, [loads](std::int32_t left, std::int32_t right) {
    const double left_load = loads[static_cast<std::size_t>(left)];
    const double right_load = loads[static_cast<std::size_t>(right)];
    return left_load != right_load ? left_load > right_load : left < right;
  });
  choices_.Resize(num_groups * static_cast<int>(nodes.size()));
  best_.Resize(0);
  best_max_ = std::numeric_limits<double>::infinity();
  Start(best_max_);
  Descend(0, 0, [this](double max) {
    best_ = node_of_;
    best_max_ = max;
    return max;
  });
  proven_ = !OutOfWork();
  return best_.span();
}

void GroupPacking::VisitBelow(double limit, absl::FunctionRef<double(std::span<const std::int32_t>)> visit) {
  Start(limit);
  Descend(0, 0, [&](double) { return visit(node_of_.span()); });
}

void GroupPacking::Start(double limit) {
  steps_ = 0;
  visits_ = 0;
  limit_ = limit;
  const int num_nodes = static_cast<int>(nodes_.size());
  node_of_.Assign(order_.size(), -1);
  node_load_.Assign(num_nodes, 0.0);
  node_room_.Resize(num_nodes);
  for (int node = 0; node < num_nodes; ++node) node_room_[node] = nodes_[static_cast<std::size_t>(node)].room;
  SetLeast();
}

}  // namespace eplb
