#ifndef EPLB_SERVER_BALANCER_MIGRATION_SPARSE_ASSIGNMENT_H_
#define EPLB_SERVER_BALANCER_MIGRATION_SPARSE_ASSIGNMENT_H_

#include <cstdint>
#include <span>
#include <vector>

namespace eplb {

// Maximum-weight assignment: every row gets at most one column and every column at most one row, such that the sum of
// the chosen edges' weights is as large as it can be. Exact.
//
// The Hungarian method (Kuhn 1955) for small whole weights, from all free rows at once: potentials u[row], v[column]
// >= 0 with u[row] + v[column] >= weight, chosen edges tight (equal), free columns at v = 0 and all free rows at the
// same u, the level. The level starts at the largest weight; at each level as many alternating paths over tight edges
// from free rows to free columns as there are get flipped (a breadth-first forest, one path for each tree, as in
// Hopcroft and Karp 1973); then the potentials of all that free rows reach move by the smallest slack, the level with
// them. Since that lowers the level by at least 1, there are no more levels than the largest weight; at level 0 no free
// row can gain. The overlap of two GPUs' contents is at most their number of slots, so a thousand GPUs take under a
// millisecond. O(weight * edges * sqrt(rows)) in practice.
//
// Owns its buffers: nothing is allocated from problem to problem of like size. Not thread-safe.
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
  // Flips alternating paths over tight edges, one for each free row at most. False when there was none; queue_ and
  // column_before_ then hold what free rows reach.
  bool FlipPaths();
  void Flip(std::int32_t column);
  // Lowers the level by the smallest slack on the border of what free rows reach.
  void LowerLevel();

  std::span<const std::int32_t> first_edge_;
  std::span<const Edge> edges_;
  std::int32_t level_ = 0;
  std::vector<std::int32_t> row_potential_;
  std::vector<std::int32_t> column_potential_;
  std::vector<std::int32_t> column_of_;
  std::vector<std::int32_t> row_of_;
  std::vector<std::int32_t> queue_;          // rows reached in this search
  std::vector<std::int32_t> root_;           // [rows] the free row from which a row was reached in this search
  std::vector<bool> finished_;               // [rows] free rows whose path was flipped in this search
  std::vector<std::int32_t> column_before_;  // [columns] the row that reached it in this search, -1 for none
  std::int64_t total_ = 0;
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_MIGRATION_SPARSE_ASSIGNMENT_H_
