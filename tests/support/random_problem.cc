#include "tests/support/random_problem.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace eplb::testing {

int RandomProblems::Int(int low, int high) {
  return low + static_cast<int>(random_() % static_cast<std::uint64_t>(high - low + 1));
}

double RandomProblems::Unit() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

LoadMatrix RandomProblems::Loads(int num_layers, int num_experts) {
  std::vector<double> values;
  const auto width = static_cast<std::size_t>(num_experts);
  for (int layer = 0; layer < num_layers; ++layer) {
    const int kind = Int(0, 4);
    const auto hot = static_cast<std::size_t>(Int(0, num_experts - 1));
    for (std::size_t expert = 0; expert < width; ++expert) {
      // The sum of a few uniforms is near enough to normal for a skewed load.
      const double normal = (Unit() + Unit() + Unit() + Unit() - 2.0) * std::sqrt(3.0);
      double value = 1000.0;                                          // all equal
      if (kind == 0) value = std::floor(1000.0 * std::exp(normal));   // lognormal
      if (kind == 1) value = static_cast<double>(Int(0, 100000));     // uniform
      if (kind == 2) value = expert == hot ? 1e6 : 100.0;             // one hot expert
      if (kind == 3) value = Int(0, 3) == 0 ? 5000.0 * Unit() : 0.0;  // many zeros
      values.push_back(value);
    }
  }
  return LoadMatrix::Create(num_layers, num_experts, std::move(values)).value();
}

Topology RandomProblems::UniformTopology(int num_experts, int max_gpus) {
  const int gpus = Int(1, max_gpus);
  const int per_gpu = (num_experts + gpus - 1) / gpus + Int(0, 2);
  return Topology::Create({.num_gpus = gpus, .num_slots = gpus * per_gpu}).value();
}

Topology RandomProblems::AnyTopology(int num_experts, int max_gpus) {
  TopologyOptions options{.num_gpus = Int(1, max_gpus)};
  options.num_nodes = Int(1, options.num_gpus);
  const auto gpus = static_cast<std::size_t>(options.num_gpus);
  const int num_excluded = options.num_gpus > 1 ? Int(0, options.num_gpus / 3) : 0;
  std::vector<int> ids(gpus);
  std::iota(ids.begin(), ids.end(), 0);
  for (std::size_t i = gpus; i-- > 1;) std::swap(ids[i], ids[static_cast<std::size_t>(Int(0, static_cast<int>(i)))]);
  options.excluded_gpus.assign(ids.begin(), ids.begin() + num_excluded);
  const int usable = options.num_gpus - num_excluded;
  const int base = (num_experts + usable - 1) / usable;
  for (std::size_t gpu = 0; gpu < gpus; ++gpu) {
    options.slots_per_gpu.push_back(base + Int(0, 2));
    options.gpu_speed.push_back(Int(0, 1) == 0 ? 1.0 : 0.5 + 1.5 * Unit());
  }
  options.num_slots = std::accumulate(options.slots_per_gpu.begin(), options.slots_per_gpu.end(), 0);
  do {
    options.num_groups = Int(1, std::min(num_experts, 8));
  } while (num_experts % options.num_groups != 0);
  return Topology::Create(std::move(options)).value();
}

}  // namespace eplb::testing
