#ifndef EPLB_TESTS_BENCH_SHAPES_H_
#define EPLB_TESTS_BENCH_SHAPES_H_

#include <cstdint>
#include <span>
#include <string>

#include "server/model/load_matrix.h"
#include "server/model/topology.h"

namespace eplb::bench {

// One fleet that a benchmark plans for.
struct Shape {
  std::string name;
  int layers;
  int experts;
  int slots;
  int gpus;
  int nodes = 1;
  int groups = 1;
};

// The shapes of models that people serve, and one far beyond them; every benchmark walks them in this order.
std::span<const Shape> Shapes();

Topology TopologyOf(const Shape& shape);

// Independent lognormal loads (sigma 1, median 1000 tokens), whole numbers; the same for the same seed everywhere.
LoadMatrix LognormalLoads(const Shape& shape, std::uint64_t seed, double sigma = 1.0);

// Each load times an independent lognormal factor, whole numbers: what traffic looks like a while later.
LoadMatrix DriftedLoads(const LoadMatrix& loads, std::uint64_t seed, double sigma);

}  // namespace eplb::bench

#endif  // EPLB_TESTS_BENCH_SHAPES_H_
