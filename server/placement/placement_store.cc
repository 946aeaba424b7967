#include "server/placement/placement_store.h"

#include <algorithm>

#include "server/base/check.h"

namespace eplb {

InMemoryPlacementStore::InMemoryPlacementStore(int capacity) : capacity_(static_cast<std::size_t>(capacity)) {
  EPLB_CHECK(capacity >= 1);
}

void InMemoryPlacementStore::Put(std::string_view deployment, const VersionedPlacement& placement) {
  MutexLock lock(mutex_);
  auto it = versions_.find(deployment);
  if (it == versions_.end()) it = versions_.try_emplace(std::string(deployment)).first;
  std::deque<VersionedPlacement>& versions = it->second;
  const auto same = [&](const VersionedPlacement& kept) { return kept.version == placement.version; };
  if (std::any_of(versions.begin(), versions.end(), same)) return;
  versions.push_back(placement);
  if (versions.size() > capacity_) versions.pop_front();
}

std::optional<VersionedPlacement> InMemoryPlacementStore::Get(std::string_view deployment,
                                                              PlacementVersion version) const {
  MutexLock lock(mutex_);
  const auto it = versions_.find(deployment);
  if (it == versions_.end()) return std::nullopt;
  for (const VersionedPlacement& kept : it->second) {
    if (kept.version == version) return kept;
  }
  return std::nullopt;
}

void InMemoryPlacementStore::Forget(std::string_view deployment) {
  MutexLock lock(mutex_);
  const auto it = versions_.find(deployment);
  if (it != versions_.end()) versions_.erase(it);
}

}  // namespace eplb
