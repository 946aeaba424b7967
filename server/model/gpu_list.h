#ifndef EPLB_SERVER_MODEL_GPU_LIST_H_
#define EPLB_SERVER_MODEL_GPU_LIST_H_

#include <span>
#include <string_view>
#include <vector>

#include "server/base/field_errors.h"

namespace eplb {

// Which GPUs a list names, [num_gpus]. It must name GPUs in [0, num_gpus), none twice, and so be no longer than that.
// Adds what is wrong to `errors`, under `field` ("excluded_gpus[3]"), in time that grows with the list's length alone;
// a list that is too long is not looked at any further.
std::vector<bool> CheckGpuList(std::span<const int> gpus, std::string_view field, int num_gpus, FieldErrors& errors);

}  // namespace eplb

#endif  // EPLB_SERVER_MODEL_GPU_LIST_H_
