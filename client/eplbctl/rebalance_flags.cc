#include "client/eplbctl/rebalance_flags.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/local_rebalance.h"
#include "client/eplbctl/remote_rebalance.h"
#include "client/files/file_io.h"
#include "client/files/placement_file.h"
#include "server/base/status_macros.h"
#include "server/model/contiguous_placement.h"

namespace eplb {

void RebalanceFlags::AddTo(CLI::App& app) {
  loads_.AddTo(app);
  fleet_.AddTo(app);
  plan_.AddTo(app, " (needs --current)");
  plan_.AddLayoutTo(app);
  app.add_option("--current", current_, "Placement in force: what eplbctl, vLLM, SGLang or vLLM-Ascend wrote")
      ->type_name("FILE")
      ->group("Plan");
  gate_.AddOptionalTo(app);
  app.add_flag("--local", local_, "Plan in this process")->group("Where");
  server_.AddTo(app);
  threads_.AddTo(app);
}

// The placement in force, or the contiguous layout.
absl::StatusOr<Placement> RebalanceFlags::ReadBefore(const LoadSelection& selection, const Topology& topology) const {
  const LoadMatrix& loads = selection.samples.front().loads;
  if (current_.empty()) return ContiguousPlacement(loads.num_layers(), loads.num_experts(), topology);
  EPLB_ASSIGN_OR_RETURN(const PlacementRows rows, ReadPlacementFile(current_));
  absl::StatusOr<Placement> placement = PlacementForLayers(rows, selection.model_layers, loads.num_experts());
  if (!placement.ok()) return AtPath(current_, placement.status());
  if (placement->num_slots() == topology.num_slots()) return placement;
  return absl::InvalidArgumentError(
      absl::StrCat(current_, ": ", placement->num_slots(), " slots in each layer: must be ", topology.num_slots()));
}

absl::StatusOr<RebalanceTask> RebalanceFlags::Read() const {
  if (local_ == server_.given()) {
    return absl::InvalidArgumentError("exactly one of --local and --server HOST:PORT is required");
  }
  EPLB_ASSIGN_OR_RETURN(TopologyOptions topology_options, fleet_.Options());
  EPLB_ASSIGN_OR_RETURN(Topology topology, Topology::Create(topology_options));
  EPLB_ASSIGN_OR_RETURN(LoadSelection selection, loads_.Read());
  EPLB_ASSIGN_OR_RETURN(Placement before, ReadBefore(selection, topology));
  const int num_layers = selection.samples.front().loads.num_layers();
  return RebalanceTask{.description = std::move(selection.description),
                       .samples = std::move(selection.samples),
                       .model_layers = std::move(selection.model_layers),
                       .topology = std::move(topology),
                       .topology_options = std::move(topology_options),
                       .before = std::move(before),
                       .has_current = !current_.empty(),
                       .options = plan_.Options(),
                       .constraints = plan_.Constraints(num_layers),
                       .gate = gate_.Requested()};
}

absl::StatusOr<RebalanceResult> RebalanceFlags::Plan(const RebalanceTask& task) const {
  if (local_) return RebalanceLocally(task, *threads_.NewTeam());
  EPLB_ASSIGN_OR_RETURN(ClientOptions options, server_.Read());
  return RebalanceOnServer(task, std::move(options));
}

}  // namespace eplb
