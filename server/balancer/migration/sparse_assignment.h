#ifndef EPLB_SERVER_BALANCER_MIGRATION_SPARSE_ASSIGNMENT_H_
#define EPLB_SERVER_BALANCER_MIGRATION_SPARSE_ASSIGNMENT_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace eplb {

// Maximum-weight assignment: every row gets at most one column and every column at most one row, such that the sum of
// the chosen edges' weights is as large as it can be. Exact.
//
// The Hungarian method by successive shortest paths (Kuhn 1955; Jonker and Volgenant 1987) on the edges that there are:
// with potentials u[row], v[column] >= 0 and u[row] + v[column] >= weight, tight on chosen edges, each row in turn
// finds the cheapest alternating path to a free column or to a row that had better go without one (Dijkstra over the
// reduced costs). Weights are whole numbers, so nothing is rounded. Overlaps of GPU contents are sparse (a GPU holds
// few experts) and most rows find a free column at once, which is why this takes milliseconds at a thousand GPUs where
// the dense method takes seconds. O(rows * edges * log columns) at worst.
//
// Ties go to the lowest column. Owns its buffers: nothing is allocated from problem to problem of like size. Not
// thread-safe.
class SparseAssignment {
 public:
  struct Edge {
    std::int32_t column;
    std::int32_t weight;  // > 0
  };

  // Row r has the edges [first_edge[r], first_edge[r + 1]) of `edges`, at most one for each column in
  // [0, num_columns); first_edge has one entry more than there are rows.
  void Run(std::span<const std::int32_t> first_edge, std::span<const Edge> edges, int num_columns);

  // [rows] the column of each row, -1 for none; until the next Run.
  std::span<const std::int32_t> column_of() const { return column_of_; }
  // Sum of the weights chosen.
  std::int64_t total() const { return total_; }

 private:
  using HeapEntry = std::pair<std::int64_t, std::int32_t>;  // distance, column

  void AssignRow(std::int32_t row);
  void Relax(std::int32_t row, std::int64_t distance);
  // Moves the potentials of everything nearer than `reached` and flips the path that ends in `column` (or, when that
  // is -1, in `last_row` giving its column up).
  void Augment(std::int32_t row, std::int32_t column, std::int32_t last_row, std::int64_t reached);

  std::span<const std::int32_t> first_edge_;
  std::span<const Edge> edges_;
  std::vector<std::int64_t> row_potential_;
  std::vector<std::int64_t> column_potential_;
  std::vector<std::int32_t> column_of_;
  std::vector<std::int32_t> row_of_;
  // One Dijkstra: distance of each column, the row before it, whether it is settled; and what was touched.
  std::vector<std::int64_t> distance_;
  std::vector<std::int32_t> row_before_;
  std::vector<bool> settled_;
  std::vector<std::int32_t> touched_;
  std::vector<HeapEntry> heap_;
  std::int64_t total_ = 0;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_MIGRATION_SPARSE_ASSIGNMENT_H_
