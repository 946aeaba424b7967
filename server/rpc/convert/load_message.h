#ifndef EPLB_SERVER_RPC_CONVERT_LOAD_MESSAGE_H_
#define EPLB_SERVER_RPC_CONVERT_LOAD_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eplb/v1/load.pb.h"
#include "google/protobuf/repeated_field.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "server/base/field_errors.h"
#include "server/model/load_matrix.h"
#include "server/model/placement.h"
#include "server/rpc/convert/request_limits.h"

namespace eplb {

using LoadSampleMessages = google::protobuf::RepeatedPtrField<v1::LoadSample>;

// What all samples of a request must agree in.
struct LoadShape {
  std::vector<int> model_layers;  // absolute index of each layer, in the request's order, none twice
  int num_experts = 0;            // 0: no layer gives tokens by expert, only the current placement can tell
};

// The shape that the first sample states. Adds what is wrong to `errors` ("samples", "samples[0].layers[3]...") and is
// nullopt then.
std::optional<LoadShape> ReadLoadShape(const LoadSampleMessages& samples, const RequestLimits& limits,
                                       FieldErrors& errors);

// The samples that count, in order: one with weight 0 is checked and left out. shape.num_experts is known by now.
// Loads by slot are summed into experts by `current`, which may be null where there are none. Adds what is wrong to
// `errors`.
std::vector<LoadSample> ReadLoadSamples(const LoadSampleMessages& samples, const LoadShape& shape,
                                        const Placement* current, FieldErrors& errors);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_LOAD_MESSAGE_H_
