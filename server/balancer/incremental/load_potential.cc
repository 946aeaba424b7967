#include "server/balancer/incremental/load_potential.h"

#include <algorithm>
#include <cmath>

#include "server/base/check.h"
#include "server/base/index.h"

namespace eplb {

LoadPotential::LoadPotential(const LayerSlots& slots, int power_exponent)
    : slots_(slots), power_exponent_(power_exponent), power_(std::ldexp(1.0, power_exponent)) {
  EPLB_CHECK(power_exponent >= 1 && power_exponent <= 6);
  // An expert fills every slot at most, and is asked about with one replica more.
  share_.push_back(0.0);
  for (int replicas = 1; replicas <= slots.topology().num_slots() + 1; ++replicas) share_.push_back(1.0 / replicas);
}

void LoadPotential::Load(std::span<const LayerSample> samples) {
  const Topology& topology = slots_.topology();
  num_samples_ = static_cast<int>(samples.size());
  const int num_experts = slots_.num_experts();
  const int num_gpus = topology.num_gpus();
  usable_speed_ = 0;
  for (int gpu = 0; gpu < num_gpus; ++gpu) usable_speed_ += topology.excluded(gpu) ? 0.0 : topology.speed(gpu);
  double total_weight = 0;
  for (const LayerSample& sample : samples) total_weight += sample.weight;

  weight_.resize(samples.size());
  mean_.resize(samples.size());
  load_.resize(static_cast<std::size_t>(num_experts * num_samples_));
  risk_.assign(load_.size(), 0.0);
  has_noise_ = false;
  for (const LayerSample& sample : samples) has_noise_ |= sample.noise_ratio > 0 && !sample.variance.empty();
  noise_.assign(has_noise_ ? load_.size() : 0, 0.0);
  gpus_.assign(static_cast<std::size_t>(num_gpus * num_samples_), {});
  const double half_aversion = (power_ - 1.0) / 2.0;
  for (int k = 0; k < num_samples_; ++k) {
    const LayerSample& sample = At(samples, k);
    At(weight_, k) = sample.weight / total_weight;
    std::ranges::copy(sample.loads, load_.begin() + k * num_experts);
    double total = 0;
    for (const double load : sample.loads) total += load;
    const double mean = total / usable_speed_;
    At(mean_, k) = mean;
    if (mean <= 0) continue;
    for (int expert = 0; expert < num_experts && !sample.variance.empty(); ++expert) {
      At(risk_, k * num_experts + expert) = half_aversion / mean * At(sample.variance, expert);
      if (has_noise_) At(noise_, expert * num_samples_ + k) = sample.noise_ratio * At(sample.variance, expert);
    }
    for (int gpu = 0; gpu < num_gpus; ++gpu) {
      if (!topology.excluded(gpu)) At(gpus_, k * num_gpus + gpu).inverse = 1.0 / (topology.speed(gpu) * mean);
    }
  }
  charges_.resize(load_.size());
  changed_.resize(static_cast<std::size_t>(num_gpus));
  Refresh();
}

void LoadPotential::MeasureGradient(std::vector<double>& gradient) const {
  const Topology& topology = slots_.topology();
  gradient.assign(load_.size(), 0.0);
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    for (int k = 0; k < num_samples_; ++k) {
      const GpuState& state = this->gpu(gpu, k);
      const double slope = SlopeOf(state.power * state.scale, state.amount) * tokens_per_term_;
      for (int slot = topology.first_slot(gpu); slot < topology.first_slot(gpu + 1); ++slot) {
        const std::int32_t expert = slots_.expert_in(slot);
        if (expert == kEmptySlot) continue;
        At(gradient, expert * num_samples_ + k) += slope * At(share_, slots_.replicas(expert));
      }
    }
  }
}

double LoadPotential::GainNoise(std::span<const double> before, std::span<const double> after) const {
  double variance = 0;
  for (std::size_t i = 0; i < noise_.size(); ++i) {
    const double change = before[i] - after[i];
    variance += change * change * noise_[i];
  }
  return std::sqrt(variance);
}

inline void LoadPotential::MeasureCharges(int expert, int sample) {
  const int replicas = slots_.replicas(expert);
  const int index = sample * slots_.num_experts() + expert;
  const double* shares = &At(share_, replicas);
  const double one_less = shares[replicas > 1 ? -1 : 0];  // no branch around the charge: replicas are hard to foretell
  const double load = At(load_, index);
  const double risk = At(risk_, index);
  const auto charge = [load, risk](double share) { return (load + risk * share) * share; };
  const double now = charge(shares[0]);
  const double next = charge(shares[1]);
  At(charges_, index) = {now, next, now - next, charge(one_less) - now};
}

void LoadPotential::MeasureAmounts(int gpu) {
  const std::span<const std::int32_t> experts = slots_.experts_on(gpu);
  for (int k = 0; k < num_samples_; ++k) {
    const Charges* charges = &this->charges(0, k);
    double sum = 0;
    for (const std::int32_t expert : experts) {
      if (expert != kEmptySlot) sum += charges[expert].now;
    }
    GpuState& state = At(gpus_, k * slots_.topology().num_gpus() + gpu);
    state.amount = sum;
    state.power = Power(state, sum);
  }
  At(changed_, gpu) = measurement_;
}

void LoadPotential::SubtractTerms(const GpuState& gpu, double amount, std::span<const double> added,
                                  std::span<double> sums) const {
  const double inverse = gpu.inverse;
  const double scale = gpu.scale;
  const double* __restrict from = added.data();
  double* __restrict to = sums.data();
  const std::size_t size = sums.size();
  WithRaise([=](const auto& raise) {
    for (std::size_t i = 0; i < size; ++i) to[i] -= raise((amount + from[i]) * inverse) * scale;
  });
}

void LoadPotential::Refresh() {
  ++measurement_;
  loaded_slope_ = 0;
  for (int k = 0; k < num_samples_; ++k) {
    for (int expert = 0; expert < slots_.num_experts(); ++expert) MeasureCharges(expert, k);
  }
  for (int gpu = 0; gpu < slots_.topology().num_gpus(); ++gpu) MeasureAmounts(gpu);
  MeasureTerms();
}

void LoadPotential::Refresh(std::span<const std::int32_t> experts, std::span<const int> gpus) {
  ++measurement_;
  const auto measure_once = [this](int gpu) {
    if (At(changed_, gpu) < measurement_) MeasureAmounts(gpu);
  };
  for (int k = 0; k < num_samples_; ++k) {
    for (const std::int32_t expert : experts) MeasureCharges(expert, k);
  }
  for (const std::int32_t expert : experts) {
    slots_.ForEachReplica(expert, [&](std::int32_t slot) { measure_once(slots_.topology().gpu_of_slot(slot)); });
  }
  for (const int gpu : gpus) measure_once(gpu);
  MeasureTerms();
}

void LoadPotential::MeasureTerms() {
  const Topology& topology = slots_.topology();
  value_ = 0;
  for (int k = 0; k < num_samples_; ++k) {
    const std::span<GpuState> gpus =
        std::span(gpus_).subspan(Index(k) * Index(topology.num_gpus()), Index(topology.num_gpus()));
    double sum = 0;
    for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
      GpuState& state = At(gpus, gpu);
      state.scale = topology.excluded(gpu) ? 0.0 : topology.speed(gpu);
      state.term = state.power * state.scale;
      sum += state.term;
    }
    const double potential = At(mean_, k) * std::pow(sum / usable_speed_, 1.0 / power_);
    value_ += At(weight_, k) * potential;
    double slope = sum > 0 ? At(weight_, k) * potential / (power_ * sum) : 0.0;
    if (num_samples_ > 1 || loaded_slope_ <= 0) {
      rescaled_ = measurement_;
      loaded_slope_ = slope;
      tokens_per_term_ = 1;
    } else {
      tokens_per_term_ = slope / loaded_slope_;
      slope = loaded_slope_;
    }
    for (GpuState& state : gpus) {
      state.scale *= slope;
      state.term *= slope;
    }
  }
}

}  // namespace eplb
