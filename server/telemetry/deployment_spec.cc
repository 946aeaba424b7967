#include "server/telemetry/deployment_spec.h"

#include <cmath>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"
#include "server/telemetry/names.h"

namespace eplb {
namespace {

constexpr int kMaxModelLayer = 1 << 20;

void CheckModelLayers(const std::vector<int>& layers, FieldErrors& errors) {
  if (layers.empty() || layers.size() > static_cast<std::size_t>(kMaxLayers)) {
    errors.Add("model_layers", absl::StrCat(layers.size(), " layers"), absl::StrCat("must be from 1 to ", kMaxLayers));
    return;
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i] < 0 || layers[i] > kMaxModelLayer || (i > 0 && layers[i] <= layers[i - 1])) {
      errors.Add(absl::StrCat("model_layers[", i, "]"), absl::StrCat(layers[i]),
                 absl::StrCat("must rise strictly, from 0 to ", kMaxModelLayer));
    }
  }
}

void CheckPhaseWeights(const PhaseWeights& weights, FieldErrors& errors) {
  double sum = 0;
  for (const double weight : weights.ByPhase()) {
    if (!std::isfinite(weight) || weight < 0) {
      errors.Add("phase_weights", absl::StrCat(weight), "must be finite and at least 0");
      return;
    }
    sum += weight;
  }
  if (!(sum > 0) || !std::isfinite(sum)) errors.Add("phase_weights", absl::StrCat(sum), "must not all be 0");
}

void CheckConstraints(const DeploymentSpecOptions& options, FieldErrors& errors) {
  const PlacementConstraints& constraints = options.constraints;
  if (constraints.min_replicas < 1 || constraints.min_replicas > options.topology.num_gpus) {
    errors.Add("constraints.min_replicas", absl::StrCat(constraints.min_replicas),
               absl::StrCat("must be from 1 to num_gpus = ", options.topology.num_gpus));
  }
  if (constraints.min_nodes_per_expert < 1 || constraints.min_nodes_per_expert > options.topology.num_nodes) {
    errors.Add("constraints.min_nodes_per_expert", absl::StrCat(constraints.min_nodes_per_expert),
               absl::StrCat("must be from 1 to num_nodes = ", options.topology.num_nodes));
  }
  const std::vector<int>& budgets = constraints.slot_budget_per_layer;
  if (!budgets.empty() && budgets.size() != options.model_layers.size()) {
    errors.Add("constraints.slot_budget_per_layer", absl::StrCat(budgets.size(), " values"),
               absl::StrCat("must be none or one per layer = ", options.model_layers.size()));
  }
  for (std::size_t i = 0; i < budgets.size() && i < options.model_layers.size(); ++i) {
    if (budgets[i] < options.num_experts) {
      errors.Add(absl::StrCat("constraints.slot_budget_per_layer[", i, "]"), absl::StrCat(budgets[i]),
                 absl::StrCat("must be at least num_experts = ", options.num_experts));
    }
  }
}

template <typename Value>
std::string ShowValue(const Value& value) {
  return absl::StrCat(value);
}

template <typename Value>
std::string ShowValue(const std::vector<Value>& values) {
  return absl::StrCat("a list of ", values.size());
}

// Remembers the first difference.
class DifferenceFinder {
 public:
  template <typename Value>
  void Compare(std::string_view field, const Value& mine, const Value& other) {
    if (!difference_.empty() || mine == other) return;
    difference_ = absl::StrCat(std::string(field), " is ", ShowValue(mine), " and was told as ", ShowValue(other));
  }

  template <typename Value>
  void Compare(std::string_view field, const std::vector<Value>& mine, const std::vector<Value>& other) {
    if (!difference_.empty() || mine == other) return;
    if (mine.size() != other.size()) {
      difference_ = absl::StrCat(std::string(field), " is ", ShowValue(mine), " and was told as ", ShowValue(other));
      return;
    }
    for (std::size_t i = 0; i < mine.size(); ++i)
      Compare(absl::StrCat(std::string(field), "[", i, "]"), mine[i], other[i]);
  }

  std::string Take() { return std::move(difference_); }

 private:
  std::string difference_;
};

std::vector<double> Speeds(const Topology& topology) {
  std::vector<double> values;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) values.push_back(topology.speed(gpu));
  return values;
}

std::vector<int> SlotsPerGpu(const Topology& topology) {
  std::vector<int> values;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) values.push_back(topology.slots_on(gpu));
  return values;
}

std::vector<int> Nodes(const Topology& topology) {
  std::vector<int> values;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) values.push_back(topology.node_of_gpu(gpu));
  return values;
}

void CompareTopologies(const Topology& mine, const Topology& other, DifferenceFinder& finder) {
  if (mine == other) return;
  finder.Compare("topology.num_gpus", mine.num_gpus(), other.num_gpus());
  finder.Compare("topology.num_nodes", mine.num_nodes(), other.num_nodes());
  finder.Compare("topology.num_groups", mine.num_groups(), other.num_groups());
  finder.Compare("topology.num_slots", mine.num_slots(), other.num_slots());
  finder.Compare("topology.slots_per_gpu", SlotsPerGpu(mine), SlotsPerGpu(other));
  finder.Compare("topology.gpu_speed", Speeds(mine), Speeds(other));
  finder.Compare("topology.node_of_gpu", Nodes(mine), Nodes(other));
}

}  // namespace

DeploymentSpec::DeploymentSpec(DeploymentSpecOptions options, Topology topology)
    : options_(std::move(options)), topology_(std::move(topology)) {}

absl::StatusOr<DeploymentSpec> DeploymentSpec::Create(DeploymentSpecOptions options) {
  FieldErrors errors;
  errors.Merge("deployment", ValidateDeploymentName("", options.name));
  CheckModelLayers(options.model_layers, errors);
  if (options.num_experts < 1 || options.num_experts > kMaxExperts) {
    errors.Add("num_experts", absl::StrCat(options.num_experts), absl::StrCat("must be from 1 to ", kMaxExperts));
  }
  errors.CheckRange("bytes_per_expert", options.bytes_per_expert, 0, kMaxBytesPerExpert);
  if (!options.topology.excluded_gpus.empty()) {
    errors.Add("topology.excluded_gpus", absl::StrCat(options.topology.excluded_gpus.size(), " GPUs"), "must be empty");
  }
  CheckPhaseWeights(options.phase_weights, errors);
  CheckConstraints(options, errors);
  absl::StatusOr<Topology> topology = Topology::Create(options.topology);
  if (!topology.ok()) {
    errors.Merge("topology", topology.status());
    return errors.ToStatus();
  }
  if (topology->num_slots() < options.num_experts) {
    errors.Add("topology.num_slots", absl::StrCat(topology->num_slots()),
               absl::StrCat("must be at least num_experts = ", options.num_experts));
  }
  EPLB_RETURN_IF_ERROR(errors.ToStatus());
  return DeploymentSpec(std::move(options), *std::move(topology));
}

std::string DeploymentSpec::DifferenceFrom(const DeploymentSpec& other) const {
  DifferenceFinder finder;
  finder.Compare("deployment", name(), other.name());
  CompareTopologies(topology_, other.topology_, finder);
  finder.Compare("model_layers", model_layers(), other.model_layers());
  finder.Compare("num_experts", num_experts(), other.num_experts());
  finder.Compare("bytes_per_expert", bytes_per_expert(), other.bytes_per_expert());
  finder.Compare("constraints.min_replicas", constraints().min_replicas, other.constraints().min_replicas);
  finder.Compare("constraints.min_nodes_per_expert", constraints().min_nodes_per_expert,
                 other.constraints().min_nodes_per_expert);
  finder.Compare("options.honour_groups", constraints().honour_groups, other.constraints().honour_groups);
  finder.Compare("constraints.slot_budget_per_layer", constraints().slot_budget_per_layer,
                 other.constraints().slot_budget_per_layer);
  finder.Compare("constraints.stable_local_slots", stable_local_slots(), other.stable_local_slots());
  finder.Compare("coordination_mode", static_cast<int>(coordination()), static_cast<int>(other.coordination()));
  finder.Compare("phase_weights.unspecified", phase_weights().unspecified, other.phase_weights().unspecified);
  finder.Compare("phase_weights.prefill", phase_weights().prefill, other.phase_weights().prefill);
  finder.Compare("phase_weights.decode", phase_weights().decode, other.phase_weights().decode);
  return finder.Take();
}

}  // namespace eplb
