#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_LOAD_POTENTIAL_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_LOAD_POTENTIAL_H_

#include <cstdint>
#include <span>
#include <vector>

#include "server/balancer/incremental/at.h"
#include "server/balancer/incremental/layer_slots.h"

namespace eplb {

// One layer's loads in one of the samples that the placement should serve.
struct LayerSample {
  double weight = 1;                      // > 0; the weights of the samples of a layer are taken as shares of their sum
  std::span<const double> loads = {};     // [experts] expected tokens
  std::span<const double> variance = {};  // [experts] of the forecast, in squared tokens; empty: loads are certain
  double noise_ratio = 0;                 // part of the variance by which noise makes the expected loads themselves err
};

// What is minimised instead of the largest GPU load.
//
// The largest load is a poor guide for a search that makes few moves: where two GPUs are equally loaded no single move
// lowers it, and a plan that only looks at the fullest GPU leaves the second fullest to be the problem of the next
// window. So a layer's potential is the power mean of the GPU loads (the p-norm, which bounds the largest load from
// both sides and becomes it as p grows):
//   P = ( sum over GPUs g of v(g) (L(g) / v(g))^p / sum of v )^(1/p),   in tokens per unit of speed,
// v(g) the speed of g and L(g) its load. P is least when all L(g) / v(g) are equal.
//
// Loads to come are uncertain: expert e has the expected load x and variance q, so a GPU that holds one replica of each
// of several experts has the variance sum of q / replicas^2. To second order the expected power mean is the power mean
// of L plus (p - 1) / 2 times the variance over the mean load M, so each replica is charged
//   c(e, r) = x / r + (p - 1) / (2 M) * q / r^2,
// which spreads and replicates experts whose load is large or erratic before they become a problem. This is the
// entropic risk measure (Foellmer and Schied, "Stochastic Finance", 4.3) of independent errors with risk aversion (p -
// 1) / M.
//
// The expected loads were themselves estimated from noisy observations, with a variance that is a part `noise_ratio` of
// q. Of the gain P - P' of a change that leaves a standard deviation to first order (the delta method; Casella and
// Berger, "Statistical Inference", 5.5.4):
//   noise = sqrt( sum over experts of (dP / dx - dP' / dx)^2 noise_ratio q ).
//
// With several samples P is their weighted mean. Terms of the sum are scaled by dP / dTerm, so that small differences
// of sums are differences of P, in tokens. With one sample that scale is the same for all terms and only their ratio
// matters, so it stays as it was when the sample was loaded, and terms of GPUs that do not change stay as they are.
//
// Owns its buffers; not thread-safe; keeps a reference to the slots.
class LoadPotential {
 public:
  // ratio^p and, as OneLess, ratio^(p - 1): by as many squarings as power_exponent, for the default without a loop.
  struct RaiseTo16 {
    double operator()(double ratio) const {
      ratio *= ratio;
      ratio *= ratio;
      ratio *= ratio;
      return ratio * ratio;
    }
    double OneLess(double ratio) const {
      const double square = ratio * ratio;
      const double fourth = square * square;
      return ratio * square * fourth * (fourth * fourth);
    }
  };
  struct RaiseToAny {
    int exponent;

    double operator()(double ratio) const {
      for (int i = 0; i < exponent; ++i) ratio *= ratio;
      return ratio;
    }
    double OneLess(double ratio) const {
      double product = 1.0;
      for (int i = 0; i < exponent; ++i, ratio *= ratio) product *= ratio;
      return product;
    }
  };

  // power_exponent: p = 2^power_exponent, 1..6.
  LoadPotential(const LayerSlots& slots, int power_exponent);

  // Takes over the samples and measures the slots as they are.
  void Load(std::span<const LayerSample> samples);
  // Measures the slots again, which have changed: all of them, or those of the GPUs given and of all that hold one of
  // the experts given, whose replicas have changed.
  void Refresh();
  void Refresh(std::span<const std::int32_t> experts, std::span<const int> gpus);

  // Counts the measurements, and tells by which of them an expert on the GPU, or its charge, changed last.
  std::int64_t measurement() const { return measurement_; }
  std::int64_t changed(int gpu) const { return At(changed_, gpu); }
  // By which of them the scale of the terms changed last.
  std::int64_t rescaled() const { return rescaled_; }
  // By how much P changes, to first order, when the sum of the scaled terms changes by 1.
  double tokens_per_term() const { return tokens_per_term_; }

  // dP / dx of every expert's load in every sample as measured last: [experts, samples].
  void MeasureGradient(std::vector<double>& gradient) const;
  // Standard deviation that noise gives the gain of a change between two gradients.
  double GainNoise(std::span<const double> before, std::span<const double> after) const;
  bool has_noise() const { return has_noise_; }

  // P of the slots as measured last.
  double value() const { return value_; }
  int num_samples() const { return num_samples_; }
  // Sum of of(sample). Mostly there is one sample, which the loop over several is kept out of the way of.
  template <typename Function>
  double SumOverSamples(const Function& of) const {
    return num_samples_ == 1 ? of(0) : SumOfMany(of);
  }
  // Charge of one replica of an expert in a sample, were there `replicas` of it. replicas >= 1.
  double Charge(int sample, int expert, int replicas) const {
    const double share = At(share_, replicas);
    const int index = sample * slots_.num_experts() + expert;
    return (At(load_, index) + At(risk_, index) * share) * share;
  }
  // What a replica of an expert is charged in one sample, as the slots were measured last.
  struct Charges {
    double now = 0;     // of each replica; 0 where there is none
    double next = 0;    // of each, were there one more
    double relief = 0;  // now - next
    double extra = 0;   // by which the charge rises with one replica less; 0 where there are not two
  };
  const Charges& charges(int expert, int sample) const { return At(charges_, sample * slots_.num_experts() + expert); }
  double charge(int expert, int sample) const { return charges(expert, sample).now; }
  double next_charge(int expert, int sample) const { return charges(expert, sample).next; }
  // One GPU in one sample, as measured last.
  struct GpuState {
    double amount = 0;   // charges of its replicas
    double power = 0;    // (amount / (v M))^p
    double term = 0;     // its scaled term
    double inverse = 0;  // 1 / (v M); 0 where there is no load
    double scale = 0;    // v * dP / dTerm
  };
  const GpuState& gpu(int gpu, int sample) const { return At(gpus_, sample * slots_.topology().num_gpus() + gpu); }
  double amount(int index, int sample) const { return gpu(index, sample).amount; }
  double term(int index, int sample) const { return gpu(index, sample).term; }
  // Scaled term of a GPU, had it another amount, and what is scaled.
  double Power(const GpuState& gpu, double amount) const { return Raise(amount * gpu.inverse); }
  double Term(const GpuState& gpu, double amount) const { return Power(gpu, amount) * gpu.scale; }
  double Term(int index, int sample, double amount) const { return Term(gpu(index, sample), amount); }
  // Derivative with respect to the amount of a power or term, p times it over the amount. Both are convex:
  // Term(b) >= Term(a) + Slope(a) (b - a).
  double SlopeOf(double term, double amount) const { return amount > 0 ? power_ * term / amount : 0.0; }
  double power() const { return power_; }  // p
  // Calls function(raise) once, with one of the above: for loops, which are compiled for the default p apart.
  template <typename Function>
  void WithRaise(const Function& function) const {
    if (power_exponent_ == 4) [[likely]] {
      function(RaiseTo16{});
    } else {
      function(RaiseToAny{power_exponent_});
    }
  }
  // sums[i] -= the GPU's term, had it the amount and added[i] besides.
  void SubtractTerms(const GpuState& gpu, double amount, std::span<const double> added, std::span<double> sums) const;

 private:
  template <typename Function>
  [[gnu::noinline]] double SumOfMany(const Function& of) const {
    double sum = of(0);
    for (int k = 1; k < num_samples_; ++k) sum += of(k);
    return sum;
  }
  // ratio^p: as many squarings as power_exponent_.
  double Raise(double ratio) const {
    if (power_exponent_ == 4) [[likely]]
      return RaiseTo16{}(ratio);  // the default, without a jump by table
    return RaiseToAny{power_exponent_}(ratio);
  }
  void MeasureCharges(int expert, int sample);
  void MeasureAmounts(int gpu);
  void MeasureTerms();

  const LayerSlots& slots_;
  const int power_exponent_;
  const double power_;  // p
  int num_samples_ = 0;
  double value_ = 0;
  double usable_speed_ = 0;
  bool has_noise_ = false;
  std::vector<double> share_;   // [replicas] 1 / replicas
  std::vector<double> weight_;  // [samples] share
  std::vector<double> mean_;    // [samples] M, load per unit of speed; 0: no load
  std::vector<double> load_;    // [samples, experts]
  std::vector<double> noise_;   // [experts, samples] variance of the expected load itself
  std::vector<double> risk_;    // [samples, experts] (p - 1) / (2 M) * variance
  double tokens_per_term_ = 1;
  std::int64_t measurement_ = 0;
  std::int64_t rescaled_ = 0;
  double loaded_slope_ = 0;            // dP / dTerm that one sample's terms are scaled by
  std::vector<std::int64_t> changed_;  // [gpus]
  std::vector<Charges> charges_;       // [samples, experts]
  std::vector<GpuState> gpus_;         // [samples, gpus]
};

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_LOAD_POTENTIAL_H_
