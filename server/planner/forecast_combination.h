#ifndef EPLB_SERVER_PLANNER_FORECAST_COMBINATION_H_
#define EPLB_SERVER_PLANNER_FORECAST_COMBINATION_H_

#include <array>

#include "server/planner/forecast.h"

namespace eplb {

// Mean products of the errors of each pair of averages: C(i, j) of LoadForecast.
using ErrorProducts = std::array<std::array<double, LoadForecast::kNumAverages>, LoadForecast::kNumAverages>;
using AverageWeights = std::array<double, LoadForecast::kNumAverages>;

// sum += products, scaled to trace 1, so that what is added up counts alike. Products that are all 0 add nothing.
void AddScaled(const ErrorProducts& products, ErrorProducts& sum);

// The weights w >= 0 of sum 1 that minimise w' C w, to a relative accuracy that no forecast can tell from exact; equal
// ones where C is 0. C is positive semidefinite.
AverageWeights BestWeights(const ErrorProducts& products);

}  // namespace eplb

#endif  // EPLB_SERVER_PLANNER_FORECAST_COMBINATION_H_
