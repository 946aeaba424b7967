#include "server/planner/coalesced_transfers.h"

#include <algorithm>
#include <utility>

#include "server/balancer/migration/transfer_planner.h"

namespace eplb {
namespace {

bool IsEmptyGpu(const Placement& placement, int first_slot, int num_slots) {
  for (int layer = 0; layer < placement.num_layers(); ++layer) {
    const auto slots =
        placement.layer(layer).subspan(static_cast<std::size_t>(first_slot), static_cast<std::size_t>(num_slots));
    if (std::any_of(slots.begin(), slots.end(), [](std::int32_t expert) { return expert != kEmptySlot; })) return false;
  }
  return true;
}

}  // namespace

std::shared_ptr<const std::vector<Transfer>> CoalescedTransfers(const Placement& from, const Placement& to,
                                                                const TopologyOptions& hardware,
                                                                int max_transfers_per_gpu) {
  const absl::StatusOr<Topology> all = Topology::Create(hardware);
  if (!all.ok()) return nullptr;
  TopologyOptions options = hardware;
  for (int gpu = 0; gpu < all->num_gpus(); ++gpu) {
    if (IsEmptyGpu(to, all->first_slot(gpu), all->slots_on(gpu))) options.excluded_gpus.push_back(gpu);
  }
  const absl::StatusOr<Topology> topology = Topology::Create(std::move(options));
  if (!topology.ok()) return nullptr;
  const TransferLimits limits{.max_staged_per_gpu = max_transfers_per_gpu,
                              .max_sent_per_gpu = max_transfers_per_gpu,
                              .max_received_per_gpu = max_transfers_per_gpu};
  absl::StatusOr<std::vector<Transfer>> transfers = PlanTransfers(from, to, *topology, {.limits = limits});
  if (!transfers.ok()) return nullptr;
  return std::make_shared<const std::vector<Transfer>>(*std::move(transfers));
}

}  // namespace eplb
