#include "server/model/gpu_list.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace eplb {

std::vector<bool> CheckGpuList(std::span<const int> gpus, std::string_view field, int num_gpus, FieldErrors& errors) {
  const auto count = static_cast<std::size_t>(num_gpus);
  std::vector<bool> listed(count, false);
  if (gpus.size() > count) {
    errors.Add(field, absl::StrCat(gpus.size(), " entries"), absl::StrCat("must be at most ", num_gpus));
    return listed;
  }
  for (std::size_t i = 0; i < gpus.size(); ++i) {
    const std::string element = absl::StrCat(std::string(field), "[", i, "]");
    if (!errors.CheckRange(element, gpus[i], 0, num_gpus - 1)) continue;
    const auto gpu = static_cast<std::size_t>(gpus[i]);
    if (listed[gpu]) errors.Add(element, absl::StrCat(gpu), "must not be listed twice");
    listed[gpu] = true;
  }
  return listed;
}

}  // namespace eplb
