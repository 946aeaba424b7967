#include "server/balancer/migration/sparse_assignment.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "server/base/check.h"
#include "server/base/index.h"

namespace eplb {
namespace {

constexpr std::int64_t kUnreached = std::numeric_limits<std::int64_t>::max();

}  // namespace

void SparseAssignment::Run(std::span<const std::int32_t> first_edge, std::span<const Edge> edges, int num_columns) {
  EPLB_CHECK(!first_edge.empty() && first_edge.back() == static_cast<std::int32_t>(edges.size()));
  first_edge_ = first_edge;
  edges_ = edges;
  const std::size_t num_rows = first_edge.size() - 1;
  const std::size_t columns = Index(num_columns);
  row_potential_.assign(num_rows, 0);
  column_potential_.assign(columns, 0);
  column_of_.assign(num_rows, -1);
  row_of_.assign(columns, -1);
  distance_.assign(columns, kUnreached);
  row_before_.assign(columns, -1);
  settled_.assign(columns, false);
  for (std::size_t row = 0; row < num_rows; ++row) AssignRow(static_cast<std::int32_t>(row));
  total_ = 0;
  for (std::size_t row = 0; row < num_rows; ++row) {
    for (std::int32_t i = first_edge[row]; i < first_edge[row + 1]; ++i) {
      if (edges[Index(i)].column == column_of_[row]) total_ += edges[Index(i)].weight;
    }
  }
}

void SparseAssignment::Relax(std::int32_t row, std::int64_t distance) {
  for (std::int32_t i = first_edge_[Index(row)]; i < first_edge_[Index(row) + 1]; ++i) {
    const Edge edge = edges_[Index(i)];
    const std::size_t column = Index(edge.column);
    if (settled_[column]) continue;
    const std::int64_t reduced = row_potential_[Index(row)] + column_potential_[column] - edge.weight;
    if (distance + reduced >= distance_[column]) continue;
    if (distance_[column] == kUnreached) touched_.push_back(edge.column);
    distance_[column] = distance + reduced;
    row_before_[column] = row;
    heap_.emplace_back(distance + reduced, edge.column);
    std::ranges::push_heap(heap_, std::greater<>());
  }
}

void SparseAssignment::AssignRow(std::int32_t row) {
  std::int64_t best_gain = 0;
  for (std::int32_t i = first_edge_[Index(row)]; i < first_edge_[Index(row) + 1]; ++i) {
    const Edge edge = edges_[Index(i)];
    best_gain = std::max(best_gain, edge.weight - column_potential_[Index(edge.column)]);
  }
  if (best_gain == 0) return;  // better without a column
  row_potential_[Index(row)] = best_gain;
  heap_.clear();
  touched_.clear();
  // The nearest end of a path so far: a row that gives its column up costs its potential.
  std::int64_t reached = best_gain;
  std::int32_t last_row = row;
  std::int32_t free_column = -1;
  Relax(row, 0);
  while (!heap_.empty()) {
    const auto [distance, column] = heap_.front();
    std::ranges::pop_heap(heap_, std::greater<>());
    heap_.pop_back();
    if (distance >= reached) break;
    if (settled_[Index(column)]) continue;
    settled_[Index(column)] = true;
    const std::int32_t owner = row_of_[Index(column)];
    if (owner < 0) {
      reached = distance;
      free_column = column;
      break;
    }
    if (distance + row_potential_[Index(owner)] < reached) {
      reached = distance + row_potential_[Index(owner)];
      last_row = owner;
    }
    Relax(owner, distance);
  }
  Augment(row, free_column, last_row, reached);
}

void SparseAssignment::Augment(std::int32_t row, std::int32_t column, std::int32_t last_row, std::int64_t reached) {
  row_potential_[Index(row)] -= reached;
  for (const std::int32_t touched : touched_) {
    const std::size_t i = Index(touched);
    // An owner is as far away as its column: chosen edges are tight.
    if (settled_[i] && distance_[i] < reached && row_of_[i] >= 0) {
      column_potential_[i] += reached - distance_[i];
      row_potential_[Index(row_of_[i])] -= reached - distance_[i];
    }
  }
  if (column < 0 && last_row != row) {
    column = column_of_[Index(last_row)];
    column_of_[Index(last_row)] = -1;
  }
  while (column >= 0) {
    const std::int32_t taker = row_before_[Index(column)];
    const std::int32_t given_up = column_of_[Index(taker)];
    column_of_[Index(taker)] = column;
    row_of_[Index(column)] = taker;
    column = taker == row ? -1 : given_up;
  }
  for (const std::int32_t touched : touched_) {
    distance_[Index(touched)] = kUnreached;
    row_before_[Index(touched)] = -1;
    settled_[Index(touched)] = false;
  }
}

}  // namespace eplb
