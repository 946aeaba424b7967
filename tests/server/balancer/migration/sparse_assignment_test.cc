#include "server/balancer/migration/sparse_assignment.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/base/index.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using Matrix = std::vector<std::vector<std::int32_t>>;  // 0: no edge

SparseAssignment Solve(const Matrix& weights, int num_columns) {
  std::vector<std::int32_t> first_edge(1, 0);
  std::vector<SparseAssignment::Edge> edges;
  for (const std::vector<std::int32_t>& row : weights) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      if (row[column] > 0) edges.push_back({static_cast<std::int32_t>(column), row[column]});
    }
    first_edge.push_back(static_cast<std::int32_t>(edges.size()));
  }
  SparseAssignment assignment;
  assignment.Run(first_edge, edges, num_columns);
  return assignment;
}

Matrix RandomMatrix(std::mt19937_64& random, std::size_t rows, std::size_t columns, std::uint64_t edge_one_in,
                    std::uint64_t max_weight) {
  Matrix weights(rows, std::vector<std::int32_t>(columns, 0));
  for (std::vector<std::int32_t>& row : weights) {
    for (std::int32_t& weight : row) {
      if (random() % edge_one_in == 0) weight = static_cast<std::int32_t>(1 + random() % max_weight);
    }
  }
  return weights;
}

// Tries every order of the columns.
std::int64_t BestByEnumeration(const Matrix& weights, std::size_t columns) {
  std::vector<std::size_t> order(std::max(columns, weights.size()));
  std::iota(order.begin(), order.end(), 0);
  std::int64_t best = 0;
  do {
    std::int64_t total = 0;
    for (std::size_t row = 0; row < weights.size(); ++row) {
      if (order[row] < columns) total += weights[row][order[row]];
    }
    best = std::max(best, total);
  } while (std::ranges::next_permutation(order).found);
  return best;
}

// The textbook dense Hungarian method for n x n (minimum cost with potentials, one augmenting row at a time).
std::int64_t BestByDenseHungarian(const Matrix& weights) {
  const std::size_t n = weights.size();
  std::vector<std::int64_t> u(n + 1, 0), v(n + 1, 0);
  std::vector<std::size_t> row_of(n + 1, 0), way(n + 1, 0);
  for (std::size_t row = 1; row <= n; ++row) {
    row_of[0] = row;
    std::size_t j0 = 0;
    std::vector<std::int64_t> min_value(n + 1, INT64_MAX);
    std::vector<bool> used(n + 1, false);
    do {
      used[j0] = true;
      std::size_t j1 = 0;
      std::int64_t delta = INT64_MAX;
      for (std::size_t j = 1; j <= n; ++j) {
        if (used[j]) continue;
        const std::int64_t cost = -weights[row_of[j0] - 1][j - 1] - u[row_of[j0]] - v[j];
        if (cost < min_value[j]) {
          min_value[j] = cost;
          way[j] = j0;
        }
        if (min_value[j] < delta) {
          delta = min_value[j];
          j1 = j;
        }
      }
      for (std::size_t j = 0; j <= n; ++j) {
        if (used[j]) {
          u[row_of[j]] += delta;
          v[j] -= delta;
        } else {
          min_value[j] -= delta;
        }
      }
      j0 = j1;
    } while (row_of[j0] != 0);
    for (; j0 != 0; j0 = way[j0]) row_of[j0] = row_of[way[j0]];
  }
  return v[0];
}

void ExpectIsAssignment(const SparseAssignment& assignment, const Matrix& weights, std::size_t columns) {
  std::vector<bool> taken(columns, false);
  std::int64_t total = 0;
  for (std::size_t row = 0; row < weights.size(); ++row) {
    const std::int32_t column = assignment.column_of()[row];
    if (column < 0) continue;
    EXPECT_FALSE(taken[Index(column)]) << "column " << column << " twice";
    taken[Index(column)] = true;
    EXPECT_GT(weights[row][Index(column)], 0) << "no such edge";
    total += weights[row][Index(column)];
  }
  EXPECT_EQ(total, assignment.total());
}

TEST(SparseAssignment, NoEdgesAssignNothing) {
  EXPECT_THAT(Solve({{0, 0}, {0, 0}}, 2).column_of(), ElementsAre(-1, -1));
  EXPECT_THAT(Solve({}, 3).column_of(), ElementsAre());
}

TEST(SparseAssignment, RowStepsAsideForTheGoodOfAll) {
  const SparseAssignment assignment = Solve({{9, 8}, {9, 0}}, 2);
  EXPECT_THAT(assignment.column_of(), ElementsAre(1, 0));
  EXPECT_EQ(assignment.total(), 17);
}

TEST(SparseAssignment, RowIsLeftOutWhenThatPaysMore) {
  const SparseAssignment assignment = Solve({{1}, {5}}, 1);
  EXPECT_THAT(assignment.column_of(), ElementsAre(-1, 0));
}

TEST(SparseAssignment, LowestColumnWinsTies) { EXPECT_THAT(Solve({{4, 4, 4}}, 3).column_of(), ElementsAre(0)); }

TEST(SparseAssignment, MatchesEnumerationOnSmallRandomProblems) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 3000; ++round) {
    const std::size_t rows = 1 + random() % 6;
    const std::size_t columns = 1 + random() % 6;
    const Matrix weights = RandomMatrix(random, rows, columns, 1 + random() % 3, 1 + random() % 9);
    const SparseAssignment assignment = Solve(weights, static_cast<int>(columns));
    ExpectIsAssignment(assignment, weights, columns);
    ASSERT_EQ(assignment.total(), BestByEnumeration(weights, columns)) << "round " << round;
  }
}

TEST(SparseAssignment, MatchesTheDenseMethodOnLargerRandomProblems) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 60; ++round) {
    const std::size_t size = 20 + random() % 80;
    const Matrix weights = RandomMatrix(random, size, size, 1 + random() % 40, 1 + random() % 12);
    const SparseAssignment assignment = Solve(weights, static_cast<int>(size));
    ExpectIsAssignment(assignment, weights, size);
    ASSERT_EQ(assignment.total(), BestByDenseHungarian(weights)) << "round " << round;
  }
}

}  // namespace
}  // namespace eplb
