#include "tests/bench/shapes.h"

#include <cmath>
#include <numbers>
#include <random>
#include <utility>
#include <vector>

namespace eplb::bench {
namespace {

// Standard normal by Box and Muller: std::normal_distribution differs between standard libraries.
double Normal(std::mt19937_64& random) {
  const auto uniform = [&random] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
  const double radius = std::sqrt(-2.0 * std::log(uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace

std::span<const Shape> Shapes() {
  static const std::vector<Shape> shapes = {
      {.name = "mixtral_16_8", .layers = 32, .experts = 8, .slots = 16, .gpus = 8},
      {.name = "gpt_oss_144_8", .layers = 36, .experts = 128, .slots = 144, .gpus = 8},
      {.name = "qwen3_144_16", .layers = 94, .experts = 128, .slots = 144, .gpus = 16},
      {.name = "qwen3_160_32", .layers = 94, .experts = 128, .slots = 160, .gpus = 32},
      {.name = "deepseek_v3_288_32", .layers = 58, .experts = 256, .slots = 288, .gpus = 32},
      {.name = "deepseek_v3_288_32_hierarchical",
       .layers = 58,
       .experts = 256,
       .slots = 288,
       .gpus = 32,
       .nodes = 4,
       .groups = 8},
      {.name = "deepseek_v3_288_72", .layers = 58, .experts = 256, .slots = 288, .gpus = 72},
      {.name = "deepseek_v3_288_96", .layers = 58, .experts = 256, .slots = 288, .gpus = 96},
      {.name = "deepseek_v3_288_144", .layers = 58, .experts = 256, .slots = 288, .gpus = 144},
      {.name = "deepseek_v3_320_320", .layers = 58, .experts = 256, .slots = 320, .gpus = 320},
      {.name = "kimi_k2_416_32", .layers = 60, .experts = 384, .slots = 416, .gpus = 32},
      {.name = "huge_3072_1024", .layers = 128, .experts = 2048, .slots = 3072, .gpus = 1024},
  };
  return shapes;
}

Topology TopologyOf(const Shape& shape) {
  return Topology::Create(
             {.num_gpus = shape.gpus, .num_nodes = shape.nodes, .num_groups = shape.groups, .num_slots = shape.slots})
      .value();
}

LoadMatrix LognormalLoads(const Shape& shape, std::uint64_t seed, double sigma) {
  std::mt19937_64 random(seed);
  std::vector<double> values(static_cast<std::size_t>(shape.layers) * static_cast<std::size_t>(shape.experts));
  for (double& value : values) value = std::floor(1000.0 * std::exp(sigma * Normal(random)));
  return LoadMatrix::Create(shape.layers, shape.experts, std::move(values)).value();
}

LoadMatrix DriftedLoads(const LoadMatrix& loads, std::uint64_t seed, double sigma) {
  std::mt19937_64 random(seed);
  std::vector<double> values(loads.values().begin(), loads.values().end());
  for (double& value : values) value = std::floor(value * std::exp(sigma * Normal(random)));
  return LoadMatrix::Create(loads.num_layers(), loads.num_experts(), std::move(values)).value();
}

}  // namespace eplb::bench
