#include "client/files/topology_file.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/files/bounded_json.h"
#include "client/files/file_io.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxTopologyFileBytes = 4 << 20;
constexpr JsonBounds kBounds = {.max_depth = 3, .max_values = 4 * kMaxGpus + 64};
constexpr std::int64_t kMaxInteger = 1 << 30;

void ReadNumber(const Json& value, const std::string& name, FieldErrors& errors, int& out) {
  if (value.is_number_integer() && value <= kMaxInteger && value >= -kMaxInteger) {
    out = value.get<int>();
  } else {
    errors.Add(name, value.is_primitive() ? value.dump() : std::string(JsonKind(value)), "must be a whole number");
  }
}

void ReadNumber(const Json& value, const std::string& name, FieldErrors& errors, double& out) {
  if (value.is_number()) {
    out = value.get<double>();
  } else {
    errors.Add(name, JsonKind(value), "must be a number");
  }
}

template <typename T>
void ReadNumber(const Json& value, const std::string& name, FieldErrors& errors, std::vector<T>& out) {
  if (!value.is_array()) {
    errors.Add(name, JsonKind(value), "must be an array of numbers");
    return;
  }
  out.resize(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) ReadNumber(value[i], absl::StrCat(name, "[", i, "]"), errors, out[i]);
}

void ReadMember(const std::string& name, const Json& value, FieldErrors& errors, TopologyOptions& options) {
  if (name == "num_gpus") return ReadNumber(value, name, errors, options.num_gpus);
  if (name == "num_nodes") return ReadNumber(value, name, errors, options.num_nodes);
  if (name == "num_groups") return ReadNumber(value, name, errors, options.num_groups);
  if (name == "num_slots") return ReadNumber(value, name, errors, options.num_slots);
  if (name == "slots_per_gpu") return ReadNumber(value, name, errors, options.slots_per_gpu);
  if (name == "gpu_speed") return ReadNumber(value, name, errors, options.gpu_speed);
  if (name == "node_of_gpu") return ReadNumber(value, name, errors, options.node_of_gpu);
  if (name == "excluded_gpus") return ReadNumber(value, name, errors, options.excluded_gpus);
  if (name == "draining_gpus") return ReadNumber(value, name, errors, options.draining_gpus);
  errors.Add(QuoteForError(name), "",
             "unknown key: must be num_gpus, num_nodes, num_groups, num_slots, slots_per_gpu, gpu_speed, node_of_gpu, "
             "excluded_gpus or draining_gpus");
}

}  // namespace

absl::StatusOr<TopologyOptions> ParseTopology(std::string_view json) {
  EPLB_ASSIGN_OR_RETURN(const Json file, ParseBoundedJson(json, kBounds));
  if (!file.is_object()) return absl::InvalidArgumentError("must be a JSON object");
  TopologyOptions options;
  FieldErrors errors;
  for (const auto& [name, value] : file.items()) ReadMember(name, value, errors, options);
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  if (options.num_gpus == 0) options.num_gpus = static_cast<int>(options.slots_per_gpu.size());
  if (options.num_slots == 0) {
    const std::int64_t sum =
        std::accumulate(options.slots_per_gpu.begin(), options.slots_per_gpu.end(), std::int64_t{0});
    options.num_slots = sum > kMaxInteger ? static_cast<int>(kMaxInteger) : static_cast<int>(sum);
  }
  return options;
}

absl::StatusOr<TopologyOptions> ReadTopologyFile(const std::string& path) {
  EPLB_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxTopologyFileBytes));
  absl::StatusOr<TopologyOptions> options = ParseTopology(text);
  if (!options.ok()) return AtPath(path, options.status());
  return options;
}

}  // namespace eplb
