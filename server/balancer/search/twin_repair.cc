#include "server/balancer/search/twin_repair.h"

#include <cmath>
#include <limits>

namespace eplb {
namespace {

bool IsTwin(const ReplicaLayout& layout, int slot) {
  const std::int32_t expert = layout.expert_in[slot];
  if (layout.replicas[expert] == 1) return false;
  for (int other = layout.first_slot[layout.gpu_of[slot]]; other < slot; ++other) {
    if (layout.expert_in[other] == expert) return true;
  }
  return false;
}

bool ExchangeTwin(int slot, ReplicaLayout* layout) {
  const int gpu = layout->gpu_of[slot];
  const std::int32_t expert = layout->expert_in[slot];
  double least = std::numeric_limits<double>::infinity();
  int partner = -1;
  for (int other = 0; other < layout->num_gpus; ++other) {
    if (other == gpu || layout->Holds(other, expert)) continue;
    for (int candidate = layout->first_slot[other]; candidate < layout->first_slot[other + 1]; ++candidate) {
      const double distance =
          std::abs(layout->replica_load[layout->expert_in[candidate]] - layout->replica_load[expert]);
      if (distance >= least || layout->Holds(gpu, layout->expert_in[candidate])) continue;
      least = distance;
      partner = candidate;
    }
  }
  if (partner < 0) return false;
  layout->Exchange(slot, partner);
  return true;
}

bool ReplaceTwin(int slot, int min_replicas, ReplicaLayout* layout) {
  const std::int32_t expert = layout->expert_in[slot];
  if (layout->replicas[expert] <= min_replicas) return false;
  int heaviest = -1;
  for (int candidate = 0; candidate < layout->num_experts; ++candidate) {
    if (layout->Holds(layout->gpu_of[slot], candidate)) continue;
    if (heaviest < 0 || layout->replica_load[candidate] > layout->replica_load[heaviest]) heaviest = candidate;
  }
  if (heaviest < 0) return false;
  layout->SetReplicas(expert, layout->replicas[expert] - 1);
  layout->SetReplicas(heaviest, layout->replicas[heaviest] + 1);
  layout->Put(slot, heaviest);
  layout->RecomputeLoads();
  return true;
}

}  // namespace

void RepairTwins(int min_replicas, ReplicaLayout* layout) {
  for (int slot = 0; slot < layout->num_slots; ++slot) {
    if (!IsTwin(*layout, slot)) continue;
    if (!ExchangeTwin(slot, layout)) ReplaceTwin(slot, min_replicas, layout);
  }
}

}  // namespace eplb
