#ifndef EPLB_SERVER_PLANNER_FORECAST_H_
#define EPLB_SERVER_PLANNER_FORECAST_H_

#include <array>
#include <span>
#include <vector>

#include "server/base/parallel_for.h"
#include "server/model/load_matrix.h"

namespace eplb {

// What the loads of the sub-windows to come will be, and how sure that is.
//
// Method. In each layer an expert's share of the tokens is foretold by several averages of its past shares, which
// differ in memory: exponentially weighted with weights 1 (the newest sub-window alone), 1/2, 1/4 and 1/10 for the
// newest, and the plain mean. (Each is the average of tokens over the average of the layer's total, so that sub-windows
// with few tokens count little.) Where traffic moves, short memories foretell better; where it is noise, long ones do.
// Which of them to trust is learnt from how wrong each would have been in the history itself: with C(i, j) the mean
// product of the errors of averages i and j one sub-window ahead, newer errors counting more, the forecast is the
// convex combination w of the averages that minimises w' C w (Bates and Granger, "The combination of forecasts",
// Operational Research Quarterly 20, 1969; with weights kept from becoming negative, as their section on stability
// advises). C of a layer is averaged with that of all layers, since traffic moves in all of them at once. No constant
// is fitted to any traffic.
//
// The variance is that of the combination's own errors, several sub-windows ahead since a placement outlives the next
// one: per expert, drawn towards a fit a x + b x^2 over the layer's experts (a: counting noise, b: drift in
// proportion), because few errors have been seen of each.
struct LoadForecast {
  static constexpr int kNumAverages = 5;

  LoadMatrix mean;      // tokens in one sub-window
  LoadMatrix variance;  // squared tokens
  // [layers] The part of the variance by which the mean itself may be off because of noise in the observations: with a
  // the weight of the newest sub-window, errors one sub-window ahead of a random walk seen through noise have the
  // noise share 1 - a, and the mean keeps the part a of it (the steady state of the Kalman filter). Near 0 both where
  // traffic moves and is seen clearly, and where it is noise over a long memory.
  std::vector<double> noise_ratio;
  // [layers] noise_ratio where traffic stands still, so that waiting would average the noise out, and 0 where it moves,
  // so that what is known now is not known better later. Traffic moves where errors grow with the time that is looked
  // ahead, as those of a random walk do and those of noise do not: the variance ratio test (Lo and MacKinlay, "Stock
  // market prices do not follow random walks", Review of Financial Studies 1, 1988), on the errors that give the
  // variance over those one sub-window ahead. Like C, a layer's ratio is averaged with that of all layers.
  std::vector<double> settled_noise_ratio = {};
  // Mean over the layers of the weight of each average, from the shortest memory to the longest.
  std::array<double, kNumAverages> memory_weights = {};
};

// history: sub-windows, oldest first, at least one, of equal shape. A pure function of it. With a single sub-window the
// forecast is that sub-window, with no variance.
LoadForecast ForecastLoads(std::span<const LoadMatrix> history, const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_FORECAST_H_
