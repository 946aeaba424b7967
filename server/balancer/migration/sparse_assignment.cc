#include "server/balancer/migration/sparse_assignment.h"

#include <algorithm>

#include "server/base/check.h"
#include "server/base/index.h"

namespace eplb {

void SparseAssignment::Run(std::span<const std::int32_t> first_edge, std::span<const Edge> edges, int num_columns) {
  EPLB_CHECK(!first_edge.empty() && first_edge.back() == static_cast<std::int32_t>(edges.size()));
  first_edge_ = first_edge;
  edges_ = edges;
  const std::size_t num_rows = first_edge.size() - 1;
  level_ = 0;
  for (const Edge& edge : edges) level_ = std::max(level_, edge.weight);
  row_potential_.assign(num_rows, level_);
  column_potential_.assign(Index(num_columns), 0);
  column_of_.assign(num_rows, -1);
  row_of_.assign(Index(num_columns), -1);
  column_before_.assign(Index(num_columns), -1);
  root_.resize(num_rows);
  finished_.assign(num_rows, false);
  while (level_ > 0) {
    while (FlipPaths()) {
    }
    LowerLevel();
  }
  total_ = 0;
  for (std::size_t row = 0; row < num_rows; ++row) {
    for (std::int32_t i = first_edge[row]; i < first_edge[row + 1]; ++i) {
      if (edges[Index(i)].column == column_of_[row]) total_ += edges[Index(i)].weight;
    }
  }
}

bool SparseAssignment::FlipPaths() {
  queue_.clear();
  std::ranges::fill(column_before_, -1);
  for (std::size_t row = 0; row < column_of_.size(); ++row) {
    if (column_of_[row] >= 0) continue;
    queue_.push_back(static_cast<std::int32_t>(row));
    root_[row] = static_cast<std::int32_t>(row);
    finished_[row] = false;
  }
  bool flipped = false;
  for (std::size_t head = 0; head < queue_.size(); ++head) {
    const std::int32_t row = queue_[head];
    const std::int32_t root = root_[Index(row)];
    for (std::int32_t i = first_edge_[Index(row)]; i < first_edge_[Index(row) + 1] && !finished_[Index(root)]; ++i) {
      const Edge edge = edges_[Index(i)];
      const std::size_t column = Index(edge.column);
      const bool tight = row_potential_[Index(row)] + column_potential_[column] == edge.weight;
      if (!tight || column_before_[column] >= 0) continue;
      column_before_[column] = row;
      const std::int32_t owner = row_of_[column];
      if (owner < 0) {
        Flip(edge.column);
        finished_[Index(root)] = true;
        flipped = true;
      } else {
        root_[Index(owner)] = root;
        queue_.push_back(owner);
      }
    }
  }
  return flipped;
}

void SparseAssignment::Flip(std::int32_t column) {
  while (column >= 0) {
    const std::int32_t taker = column_before_[Index(column)];
    const std::int32_t given_up = column_of_[Index(taker)];
    column_of_[Index(taker)] = column;
    row_of_[Index(column)] = taker;
    column = given_up;
  }
}

void SparseAssignment::LowerLevel() {
  std::int32_t step = level_;
  for (const std::int32_t row : queue_) {
    for (std::int32_t i = first_edge_[Index(row)]; i < first_edge_[Index(row) + 1]; ++i) {
      const Edge edge = edges_[Index(i)];
      if (column_before_[Index(edge.column)] >= 0) continue;
      step = std::min(step, row_potential_[Index(row)] + column_potential_[Index(edge.column)] - edge.weight);
    }
  }
  for (const std::int32_t row : queue_) row_potential_[Index(row)] -= step;
  for (std::size_t column = 0; column < column_before_.size(); ++column) {
    if (column_before_[column] >= 0) column_potential_[column] += step;
  }
  level_ -= step;
}

}  // namespace eplb
