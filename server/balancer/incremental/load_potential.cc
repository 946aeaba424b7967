#include "server/balancer/incremental/load_potential.h"

#include <algorithm>
#include <cmath>

#include "server/base/check.h"

namespace eplb {

LoadPotential::LoadPotential(const LayerSlots& slots, int power_exponent)
    : slots_(slots), power_exponent_(power_exponent) {
  EPLB_CHECK(power_exponent >= 1 && power_exponent <= 6);
  // An expert fills every slot at most, and is asked about with one replica more.
  share_.push_back(0.0);
  for (int replicas = 1; replicas <= slots.topology().num_slots() + 1; ++replicas) share_.push_back(1.0 / replicas);
}

void LoadPotential::Load(std::span<const LayerSample> samples) {
  const Topology& topology = slots_.topology();
  num_samples_ = static_cast<int>(samples.size());
  const int num_experts = slots_.num_experts();
  double speed = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) speed += topology.excluded(gpu) ? 0.0 : topology.speed(gpu);
  double total_weight = 0;
  for (const LayerSample& sample : samples) total_weight += sample.weight;

  weight_.resize(samples.size());
  mean_.resize(samples.size());
  load_.resize(static_cast<std::size_t>(num_experts * num_samples_));
  risk_.assign(load_.size(), 0.0);
  inverse_.assign(static_cast<std::size_t>(topology.num_gpus() * num_samples_), 0.0);
  const double half_aversion = (std::ldexp(1.0, power_exponent_) - 1.0) / 2.0;
  for (int k = 0; k < num_samples_; ++k) {
    const LayerSample& sample = At(samples, k);
    At(weight_, k) = sample.weight / total_weight;
    double total = 0;
    for (int expert = 0; expert < num_experts; ++expert) {
      total += At(sample.loads, expert);
      At(load_, expert * num_samples_ + k) = At(sample.loads, expert);
    }
    const double mean = total / speed;
    At(mean_, k) = mean;
    if (mean <= 0) continue;
    for (int expert = 0; expert < num_experts && !sample.variance.empty(); ++expert) {
      At(risk_, expert * num_samples_ + k) = half_aversion / mean * At(sample.variance, expert);
    }
    for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
      if (!topology.excluded(gpu)) At(inverse_, gpu * num_samples_ + k) = 1.0 / (topology.speed(gpu) * mean);
    }
  }
  scale_.resize(inverse_.size());
  term_.resize(inverse_.size());
  Refresh();
}

void LoadPotential::MeasureAmounts() {
  const Topology& topology = slots_.topology();
  amount_.assign(inverse_.size(), 0.0);
  for (int slot = 0; slot < topology.num_slots(); ++slot) {
    const std::int32_t expert = slots_.expert_in(slot);
    if (expert == kEmptySlot) continue;
    const int gpu = topology.gpu_of_slot(slot);
    for (int k = 0; k < num_samples_; ++k) {
      At(amount_, gpu * num_samples_ + k) += Charge(k, expert, slots_.replicas(expert));
    }
  }
}

void LoadPotential::Refresh() {
  const Topology& topology = slots_.topology();
  const int num_gpus = topology.num_gpus();
  MeasureAmounts();
  value_ = 0;
  const double power = std::ldexp(1.0, power_exponent_);
  for (int k = 0; k < num_samples_; ++k) {
    double sum = 0;
    double speed = 0;
    for (int gpu = 0; gpu < num_gpus; ++gpu) {
      const int index = gpu * num_samples_ + k;
      At(scale_, index) = topology.excluded(gpu) ? 0.0 : topology.speed(gpu);
      At(term_, index) = Term(gpu, k, At(amount_, index));
      sum += At(term_, index);
      speed += At(scale_, index);
    }
    const double potential = At(mean_, k) * std::pow(sum / speed, 1.0 / power);
    value_ += At(weight_, k) * potential;
    const double slope = sum > 0 ? At(weight_, k) * potential / (power * sum) : 0.0;
    for (int gpu = 0; gpu < num_gpus; ++gpu) {
      At(scale_, gpu * num_samples_ + k) *= slope;
      At(term_, gpu * num_samples_ + k) *= slope;
    }
  }
}

}  // namespace eplb
