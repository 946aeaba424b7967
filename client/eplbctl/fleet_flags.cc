#include "client/eplbctl/fleet_flags.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/eplbctl/flag_checks.h"
#include "client/files/topology_file.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {

void FleetFlags::AddTo(CLI::App& app) {
  const auto add = [&](const char* name, int& value, const char* help, int high) {
    return app.add_option(name, value, help)->type_name("N")->check(InRange(1, high))->group("Fleet");
  };
  add("--slots", slots_, "Physical expert slots of each layer over all GPUs, redundant ones included", kMaxSlots);
  add("--gpus", gpus_, "GPUs (expert-parallel ranks)", kMaxGpus);
  add("--nodes", nodes_, "Server nodes [1]", kMaxGpus);
  add("--groups", groups_, "Expert groups of the model's router [1]", kMaxExperts);
  app.add_option("--exclude-gpus", excluded_,
                 "GPUs that are dead, as in 3,17: they get no expert, and are not copied from")
      ->type_name("GPU,...")
      ->delimiter(',')
      ->group("Fleet");
  app.add_option("--drain-gpus", draining_, "GPUs to empty: they get no expert, but can be copied from")
      ->type_name("GPU,...")
      ->delimiter(',')
      ->group("Fleet");
  app.add_option("--topology", path_,
                 "JSON with num_gpus, num_nodes, num_groups, num_slots, slots_per_gpu, gpu_speed, node_of_gpu, "
                 "excluded_gpus, draining_gpus (of the excluded ones); flags go before it")
      ->type_name("FILE")
      ->group("Fleet");
}

absl::StatusOr<TopologyOptions> FleetFlags::Options() const {
  TopologyOptions options;
  if (!path_.empty()) {
    EPLB_ASSIGN_OR_RETURN(options, ReadTopologyFile(path_));
  }
  if (slots_ != 0) options.num_slots = slots_;
  if (gpus_ != 0) options.num_gpus = gpus_;
  if (nodes_ != 0) options.num_nodes = nodes_;
  if (groups_ != 0) options.num_groups = groups_;
  if (!excluded_.empty() || !draining_.empty()) {
    for (const int gpu : draining_) {
      if (std::find(excluded_.begin(), excluded_.end(), gpu) == excluded_.end()) continue;
      return absl::InvalidArgumentError(absl::StrCat("GPU ", gpu, " is both in --exclude-gpus and in --drain-gpus"));
    }
    options.draining_gpus = draining_;
    options.excluded_gpus = excluded_;
    options.excluded_gpus.insert(options.excluded_gpus.end(), draining_.begin(), draining_.end());
  }
  if (options.num_slots == 0) return absl::InvalidArgumentError("--slots is required, or a --topology that says it");
  if (options.num_gpus == 0) return absl::InvalidArgumentError("--gpus is required, or a --topology that says it");
  return options;
}

absl::StatusOr<Topology> FleetFlags::Read() const {
  EPLB_ASSIGN_OR_RETURN(TopologyOptions options, Options());
  return Topology::Create(std::move(options));
}

}  // namespace eplb
