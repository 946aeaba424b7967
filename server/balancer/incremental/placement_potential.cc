#include "server/balancer/incremental/placement_potential.h"

#include <algorithm>

#include "server/balancer/balance_metrics.h"
#include "server/balancer/incremental/layer_slots.h"
#include "server/balancer/incremental/load_potential.h"
#include "server/model/constraints.h"

namespace eplb {

std::vector<LayerExcess> MeasureExcess(const Placement& placement, const Topology& topology, const LoadMatrix& loads,
                                       const LoadMatrix& variance, int power_exponent) {
  const PlacementConstraints constraints;
  LayerSlots slots(topology, constraints, placement.num_experts());
  LoadPotential potential(slots, power_exponent);
  BalanceMeter meter(topology);
  std::vector<LayerExcess> layers;
  layers.reserve(static_cast<std::size_t>(placement.num_layers()));
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const LayerBalance balance = meter.Measure(placement.layer(layer), loads.layer(layer));
    slots.Load(layer, placement.layer(layer));
    const LayerSample certain{.loads = loads.layer(layer)};
    potential.Load({&certain, 1});
    const double imbalance = potential.value();
    const LayerSample uncertain{.loads = loads.layer(layer), .variance = variance.layer(layer)};
    potential.Load({&uncertain, 1});
    layers.push_back({.max = std::max(0.0, balance.max - balance.mean),
                      .potential = std::max(0.0, potential.value() - balance.mean),
                      .risk = potential.value() - imbalance});
  }
  return layers;
}

}  // namespace eplb
