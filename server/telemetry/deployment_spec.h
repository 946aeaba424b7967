#ifndef EPLB_SERVER_TELEMETRY_DEPLOYMENT_SPEC_H_
#define EPLB_SERVER_TELEMETRY_DEPLOYMENT_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/model/constraints.h"
#include "server/model/topology.h"
#include "server/telemetry/phase.h"

namespace eplb {

// Who carries a placement to the ranks, so that no two ranks ever route by different placements.
enum class CoordinationMode {
  kOneSubscriber,  // one worker watches, hands each placement to its group, and reports for all
  kAllRanks,       // each worker watches: prepare, then commit
};

// What a DeploymentSpec is made from; each field as in its accessor.
struct DeploymentSpecOptions {
  std::string name;
  TopologyOptions topology;  // excluded_gpus must be empty: exclusion is control, not hardware
  std::vector<int> model_layers;
  int num_experts = 0;
  std::int64_t bytes_per_expert = 0;
  PlacementConstraints constraints;
  CoordinationMode coordination = CoordinationMode::kOneSubscriber;
  PhaseWeights phase_weights;
};

// One expert-parallel group of one model: what does not change while a deployment lives, stated alike by all of its
// workers. Immutable; safe to read from any thread.
class DeploymentSpec {
 public:
  // INVALID_ARGUMENT names every field that breaks its rule.
  static absl::StatusOr<DeploymentSpec> Create(DeploymentSpecOptions options);

  const std::string& name() const { return options_.name; }
  // Nothing excluded.
  const Topology& topology() const { return topology_; }
  // What topology() was made from: to make one with GPUs excluded.
  const TopologyOptions& topology_options() const { return options_.topology; }
  // Absolute transformer layer indices, strictly rising: [num_layers]. Their order is the row order of flat arrays.
  const std::vector<int>& model_layers() const { return options_.model_layers; }
  int num_layers() const { return static_cast<int>(options_.model_layers.size()); }
  int num_experts() const { return options_.num_experts; }
  // Weights of one expert in one layer; 0: the service's default.
  std::int64_t bytes_per_expert() const { return options_.bytes_per_expert; }
  const PlacementConstraints& constraints() const { return options_.constraints; }
  // An expert that stays on its GPU keeps its slot.
  bool stable_local_slots() const { return options_.constraints.stable_local_slots; }
  CoordinationMode coordination() const { return options_.coordination; }
  const PhaseWeights& phase_weights() const { return options_.phase_weights; }

  // The first field in which two specs differ, with both values, as in "topology.num_gpus is 16 here and 32 there";
  // empty where they are equal. `this` is what is in force ("is"), `other` what was said.
  std::string DifferenceFrom(const DeploymentSpec& other) const;

 private:
  DeploymentSpec(DeploymentSpecOptions options, Topology topology);

  DeploymentSpecOptions options_;
  Topology topology_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_TELEMETRY_DEPLOYMENT_SPEC_H_
