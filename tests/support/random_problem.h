#ifndef EPLB_TESTS_SUPPORT_RANDOM_PROBLEM_H_
#define EPLB_TESTS_SUPPORT_RANDOM_PROBLEM_H_

#include <cstdint>
#include <random>
#include <vector>

#include "server/model/load_matrix.h"
#include "server/model/topology.h"

namespace eplb::testing {

// Seeded random inputs for property tests: the same seed gives the same problem on every platform.
class RandomProblems {
 public:
  explicit RandomProblems(std::uint64_t seed) : random_(seed) {}

  // A whole number in [low, high].
  int Int(int low, int high);
  // A double in [0, 1).
  double Unit();

  // Loads of one of several kinds, picked at random: lognormal, uniform, one hot expert, many zeros, all equal.
  LoadMatrix Loads(int num_layers, int num_experts);

  // Even slots, equal speeds, slots >= num_experts, a multiple of the GPUs.
  Topology UniformTopology(int num_experts, int max_gpus);
  // Anything: uneven slots, speeds, nodes, groups that divide the experts, exclusions; usable slots >= num_experts.
  Topology AnyTopology(int num_experts, int max_gpus);

 private:
  std::mt19937_64 random_;
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_RANDOM_PROBLEM_H_
