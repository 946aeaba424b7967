#ifndef EPLB_SERVER_BALANCER_INCREMENTAL_PLACEMENT_POTENTIAL_H_
#define EPLB_SERVER_BALANCER_INCREMENTAL_PLACEMENT_POTENTIAL_H_

#include <vector>

#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/model/topology.h"

namespace eplb {

// How far one layer of a placement is from perfect balance, in tokens per unit of speed.
struct LayerExcess {
  double max = 0;        // largest GPU load less the mean
  double potential = 0;  // potential (see LoadPotential, with p = 2^power_exponent) less the mean
  double risk = 0;       // the part of the potential that stands for the variance of the loads
};

// [layers]. variance: of the loads, as LayerSample has it.
std::vector<LayerExcess> MeasureExcess(const Placement& placement, const Topology& topology, const LoadMatrix& loads,
                                       const LoadMatrix& variance, int power_exponent);

}  // namespace eplb

#endif  // EPLB_SERVER_BALANCER_INCREMENTAL_PLACEMENT_POTENTIAL_H_
