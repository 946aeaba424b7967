#include "server/rpc/convert/request_checks.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "absl/strings/str_cat.h"
#include "server/model/gpu_list.h"

namespace eplb {
namespace {

std::span<const int> SpanOf(const google::protobuf::RepeatedField<std::int32_t>& numbers) {
  return {numbers.data(), static_cast<std::size_t>(numbers.size())};
}

}  // namespace

void CheckRequestScalars(const v1::RebalanceRequest& request, FieldErrors& errors) {
  errors.CheckRange("max_routing_entries", request.max_routing_entries(), 0, FieldErrors::kNoBound);
  if (request.request_id().size() > kMaxRequestIdBytes) {
    errors.Add("request_id", absl::StrCat(request.request_id().size(), " bytes"),
               absl::StrCat("must be at most ", kMaxRequestIdBytes));
  }
}

std::vector<int> UnusableGpus::All() const {
  std::vector<int> all;
  all.reserve(excluded.size() + draining.size());
  std::ranges::merge(excluded, draining, std::back_inserter(all));
  return all;
}

UnusableGpus ReadUnusableGpus(const v1::RebalanceRequest& request, int num_gpus, FieldErrors& errors) {
  const std::vector<bool> excluded = CheckGpuList(SpanOf(request.excluded_gpus()), "excluded_gpus", num_gpus, errors);
  const std::vector<bool> draining = CheckGpuList(SpanOf(request.draining_gpus()), "draining_gpus", num_gpus, errors);
  UnusableGpus gpus;
  for (int gpu = 0; gpu < num_gpus; ++gpu) {
    const auto at = static_cast<std::size_t>(gpu);
    if (excluded[at]) gpus.excluded.push_back(gpu);
    if (draining[at] && excluded[at])
      errors.Add("draining_gpus", absl::StrCat(gpu), "must not be in excluded_gpus too");
    if (draining[at] && !excluded[at]) gpus.draining.push_back(gpu);
  }
  return gpus;
}

}  // namespace eplb
