#ifndef EPLB_TESTS_SUPPORT_REBALANCE_REQUESTS_H_
#define EPLB_TESTS_SUPPORT_REBALANCE_REQUESTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eplb/v1/rebalance.pb.h"

namespace eplb {

// Shape of a generated request; the defaults are small enough to reckon with by hand.
struct RequestShape {
  int layers = 2;
  int experts = 8;
  int slots = 12;
  int gpus = 4;
  int nodes = 1;
  int groups = 1;
  std::uint64_t seed = 1;
};

// A valid Rebalance request with skewed loads; equal shapes give equal requests. Layer i has model_layer 3 + i.
v1::RebalanceRequest MakeRequest(const RequestShape& shape = {});

// Adds the contiguous layout as the placement in force.
void AddContiguousCurrent(v1::RebalanceRequest& request);

// The loads of the `layer`-th layer in the first sample.
v1::LayerLoad& Layer(v1::RebalanceRequest& request, int layer);

// The field errors of a status, each as "field | value | rule".
std::vector<std::string> FieldErrorTexts(const absl::Status& status);

}  // namespace eplb

#endif  // EPLB_TESTS_SUPPORT_REBALANCE_REQUESTS_H_
