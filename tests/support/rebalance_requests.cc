#include "tests/support/rebalance_requests.h"

#include <random>

#include "server/base/check.h"
#include "server/base/field_errors.h"
#include "server/model/contiguous_placement.h"
#include "server/model/topology.h"
#include "server/rpc/convert/placement_message.h"

namespace eplb {

v1::RebalanceRequest MakeRequest(const RequestShape& shape) {
  v1::RebalanceRequest request;
  v1::Topology& topology = *request.mutable_topology();
  topology.set_num_gpus(shape.gpus);
  topology.set_num_nodes(shape.nodes);
  topology.set_num_groups(shape.groups);
  topology.set_num_slots(shape.slots);
  std::mt19937_64 random(shape.seed);
  v1::LoadSample& sample = *request.add_samples();
  for (int layer = 0; layer < shape.layers; ++layer) {
    v1::LayerLoad& load = *sample.add_layers();
    load.set_model_layer(3 + layer);
    for (int expert = 0; expert < shape.experts; ++expert) {
      load.add_tokens((random() % 100) * (random() % 100));  // skewed: a few experts get most
    }
  }
  return request;
}

void AddContiguousCurrent(v1::RebalanceRequest& request) {
  const v1::LoadSample& sample = request.samples(0);
  const int experts = sample.layers(0).tokens_size();
  const auto topology =
      Topology::Create({.num_gpus = request.topology().num_gpus(), .num_slots = request.topology().num_slots()});
  EPLB_CHECK(topology.ok());
  const auto placement = ContiguousPlacement(sample.layers_size(), experts, *topology);
  EPLB_CHECK(placement.ok());
  for (int layer = 0; layer < sample.layers_size(); ++layer) {
    WriteLayerPlacement(placement->layer(layer), experts, sample.layers(layer).model_layer(), {.expert_count = false},
                        *request.add_current());
  }
}

v1::LayerLoad& Layer(v1::RebalanceRequest& request, int layer) {
  return *request.mutable_samples(0)->mutable_layers(layer);
}

std::vector<std::string> FieldErrorTexts(const absl::Status& status) {
  std::vector<std::string> texts;
  for (const FieldError& error : FieldErrorsOf(status)) {
    texts.push_back(error.field + " | " + error.value + " | " + error.rule);
  }
  return texts;
}

}  // namespace eplb
