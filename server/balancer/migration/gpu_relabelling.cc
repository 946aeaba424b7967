#include "server/balancer/migration/gpu_relabelling.h"

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <tuple>
#include <utility>

#include "server/base/check.h"
#include "server/base/index.h"

namespace eplb {

GpuRelabelling::GpuRelabelling(const Topology& topology, int num_experts, RelabelScope scope)
    : topology_(topology),
      scope_(scope),
      node_gpus_(Index(topology.num_nodes())),
      index_in_node_(Index(topology.num_gpus())),
      all_gpus_(Index(topology.num_gpus())),
      holders_(Index(num_experts)),
      last_seen_(Index(num_experts)),
      overlap_(Index(topology.num_gpus()), 0),
      taken_(Index(topology.num_gpus())),
      arrangement_(topology, num_experts),
      real_gpu_(Index(topology.num_gpus())),
      slots_(Index(topology.num_slots())) {
  std::iota(all_gpus_.begin(), all_gpus_.end(), 0);
  Classify();
}

void GpuRelabelling::Classify() {
  std::map<std::tuple<int, double, bool>, std::int32_t> classes;
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    const std::tuple key(topology_.slots_on(gpu), topology_.speed(gpu), topology_.excluded(gpu));
    gpu_class_.push_back(classes.try_emplace(key, static_cast<std::int32_t>(classes.size())).first->second);
    std::vector<std::int32_t>& gpus = node_gpus_[Index(topology_.node_of_gpu(gpu))];
    index_in_node_[Index(gpu)] = static_cast<std::int32_t>(gpus.size());
    gpus.push_back(gpu);
  }
  std::map<std::vector<std::int32_t>, std::int32_t> node_classes;
  for (const std::vector<std::int32_t>& gpus : node_gpus_) {
    std::vector<std::int32_t> key;
    for (const std::int32_t gpu : gpus) key.push_back(gpu_class_[Index(gpu)]);
    std::ranges::sort(key);
    node_class_.push_back(node_classes.try_emplace(key, static_cast<std::int32_t>(node_classes.size())).first->second);
  }
}

void GpuRelabelling::Run(std::span<const std::int32_t> current, std::span<const std::int32_t> planned) {
  EPLB_CHECK(current.size() == slots_.size() && planned.size() == slots_.size());
  FindHolders(current);
  CountOverlaps(planned);
  std::ranges::fill(real_gpu_, -1);
  if (scope_ == RelabelScope::kAnyGpu) {
    assignment_.Run(first_edge_, edges_, topology_.num_gpus());
    std::ranges::copy(assignment_.column_of(), real_gpu_.begin());
    Complete(all_gpus_, all_gpus_);
  } else {
    AssignNodes();
  }
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    const auto from = planned.subspan(Index(topology_.first_slot(gpu)), Index(topology_.slots_on(gpu)));
    std::ranges::copy(from, slots_.begin() + topology_.first_slot(real_gpu_[Index(gpu)]));
  }
  arrangement_.Run(current, slots_, slots_);
}

void GpuRelabelling::FindHolders(std::span<const std::int32_t> current) {
  for (std::vector<std::int32_t>& gpus : holders_) gpus.clear();
  for (int slot = 0; slot < topology_.num_slots(); ++slot) {
    const std::int32_t expert = current[Index(slot)];
    if (expert == kEmptySlot) continue;
    const int gpu = topology_.gpu_of_slot(slot);
    std::vector<std::int32_t>& gpus = holders_[Index(expert)];
    if (gpus.empty() || gpus.back() != gpu) gpus.push_back(gpu);
  }
}

void GpuRelabelling::CountOverlaps(std::span<const std::int32_t> planned) {
  std::ranges::fill(last_seen_, -1);
  first_edge_.assign(1, 0);
  edges_.clear();
  for (int gpu = 0; gpu < topology_.num_gpus(); ++gpu) {
    touched_.clear();
    for (int slot = topology_.first_slot(gpu); slot < topology_.first_slot(gpu + 1); ++slot) {
      const std::int32_t expert = planned[Index(slot)];
      if (expert == kEmptySlot || std::exchange(last_seen_[Index(expert)], gpu) == gpu) continue;
      for (const std::int32_t holder : holders_[Index(expert)]) {
        if (gpu_class_[Index(holder)] != gpu_class_[Index(gpu)]) continue;
        if (overlap_[Index(holder)]++ == 0) touched_.push_back(holder);
      }
    }
    std::ranges::sort(touched_);
    for (const std::int32_t holder : touched_) {
      edges_.push_back({.column = holder, .weight = std::exchange(overlap_[Index(holder)], 0)});
    }
    first_edge_.push_back(static_cast<std::int32_t>(edges_.size()));
  }
}

std::int64_t GpuRelabelling::AssignWithinNodes(int planned_node, int real_node) {
  block_first_edge_.assign(1, 0);
  block_edges_.clear();
  for (const std::int32_t gpu : node_gpus_[Index(planned_node)]) {
    for (std::int32_t i = first_edge_[Index(gpu)]; i < first_edge_[Index(gpu) + 1]; ++i) {
      const SparseAssignment::Edge edge = edges_[Index(i)];
      if (topology_.node_of_gpu(edge.column) != real_node) continue;
      block_edges_.push_back({.column = index_in_node_[Index(edge.column)], .weight = edge.weight});
    }
    block_first_edge_.push_back(static_cast<std::int32_t>(block_edges_.size()));
  }
  assignment_.Run(block_first_edge_, block_edges_, static_cast<int>(node_gpus_[Index(real_node)].size()));
  return assignment_.total();
}

void GpuRelabelling::AssignNodes() {
  const int num_nodes = topology_.num_nodes();
  std::vector<std::int32_t> first_edge(1, 0);
  std::vector<SparseAssignment::Edge> edges;
  for (int planned_node = 0; planned_node < num_nodes; ++planned_node) {
    for (int real_node = 0; real_node < num_nodes; ++real_node) {
      if (node_class_[Index(planned_node)] != node_class_[Index(real_node)]) continue;
      // One more than the overlap: with an edge of positive weight between all nodes of a class, each gets one.
      const auto overlap = static_cast<std::int32_t>(AssignWithinNodes(planned_node, real_node));
      edges.push_back({.column = real_node, .weight = 1 + overlap});
    }
    first_edge.push_back(static_cast<std::int32_t>(edges.size()));
  }
  node_assignment_.Run(first_edge, edges, num_nodes);
  for (int planned_node = 0; planned_node < num_nodes; ++planned_node) {
    const int real_node = node_assignment_.column_of()[Index(planned_node)];
    EPLB_CHECK(real_node >= 0);
    AssignWithinNodes(planned_node, real_node);
    const std::vector<std::int32_t>& rows = node_gpus_[Index(planned_node)];
    const std::vector<std::int32_t>& columns = node_gpus_[Index(real_node)];
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int32_t column = assignment_.column_of()[i];
      if (column >= 0) real_gpu_[Index(rows[i])] = columns[Index(column)];
    }
    Complete(rows, columns);
  }
}

void GpuRelabelling::Complete(std::span<const std::int32_t> rows, std::span<const std::int32_t> columns) {
  for (const std::int32_t column : columns) taken_[Index(column)] = false;
  for (const std::int32_t row : rows) {
    if (real_gpu_[Index(row)] >= 0) taken_[Index(real_gpu_[Index(row)])] = true;
  }
  for (const std::int32_t row : rows) {
    const bool own_is_free = std::ranges::binary_search(columns, row) && !taken_[Index(row)];
    if (real_gpu_[Index(row)] >= 0 || !own_is_free) continue;
    real_gpu_[Index(row)] = row;
    taken_[Index(row)] = true;
  }
  for (const std::int32_t row : rows) {
    if (real_gpu_[Index(row)] >= 0) continue;
    const auto column = std::ranges::find_if(columns, [&](std::int32_t candidate) {
      return !taken_[Index(candidate)] && gpu_class_[Index(candidate)] == gpu_class_[Index(row)];
    });
    EPLB_CHECK(column != columns.end());
    real_gpu_[Index(row)] = *column;
    taken_[Index(*column)] = true;
  }
}

Placement RelabelToCurrent(const Placement& current, const Placement& planned, const Topology& topology,
                           RelabelScope scope, const ParallelFor& parallel) {
  EPLB_CHECK(current.num_layers() == planned.num_layers() && current.num_experts() == planned.num_experts());
  std::vector<std::int32_t> slots(planned.physical_to_logical().size());
  std::vector<std::unique_ptr<GpuRelabelling>> scratch(Index(parallel.width()));
  parallel.Run(planned.num_layers(), [&](int layer, int worker) {
    std::unique_ptr<GpuRelabelling>& relabelling = scratch[Index(worker)];
    if (relabelling == nullptr) {
      relabelling = std::make_unique<GpuRelabelling>(topology, planned.num_experts(), scope);
    }
    relabelling->Run(current.layer(layer), planned.layer(layer));
    std::ranges::copy(relabelling->slots(), slots.begin() + static_cast<std::ptrdiff_t>(layer) * topology.num_slots());
  });
  absl::StatusOr<Placement> relabelled =
      Placement::Create(planned.num_layers(), planned.num_experts(), planned.num_slots(), std::move(slots));
  EPLB_CHECK(relabelled.ok());
  return *std::move(relabelled);
}

}  // namespace eplb
