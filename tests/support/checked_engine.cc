#include "tests/support/checked_engine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace eplb::testing {
namespace {

ConsistencyLog::Version VersionOf(const v1::PlacementVersion& version) { return {version.epoch(), version.revision()}; }

std::string ToString(const ConsistencyLog::Version& version) {
  return absl::StrCat(version.first, ".", version.second);
}

}  // namespace

void ConsistencyLog::Applied(const Version& version, const Layout& layout) {
  MutexLock lock(mutex_);
  ++events_;
  const auto [it, fresh] = contents_.try_emplace(version, layout);
  if (!fresh && it->second != layout) violations_.push_back(absl::StrCat(ToString(version), " has two contents"));
}

void ConsistencyLog::Violate(std::string what) {
  MutexLock lock(mutex_);
  violations_.push_back(std::move(what));
}

std::vector<std::string> ConsistencyLog::violations() const {
  MutexLock lock(mutex_);
  return violations_;
}

int ConsistencyLog::events() const {
  MutexLock lock(mutex_);
  return events_;
}

void ConsistencyLog::CountEvent() {
  MutexLock lock(mutex_);
  ++events_;
}

ConsistencyLog::Version ConsistencyLog::newest() const {
  MutexLock lock(mutex_);
  return contents_.empty() ? Version{} : contents_.rbegin()->first;
}

CheckedEngine::CheckedEngine(std::string name, Layout initial, int num_experts, int first_slot, int num_slots,
                             ConsistencyLog& log)
    : name_(std::move(name)),
      num_experts_(num_experts),
      first_slot_(first_slot),
      num_slots_(num_slots),
      log_(log),
      layout_(std::move(initial)) {}

void CheckedEngine::CheckVersions(const PlacementChange& change) {
  const ConsistencyLog::Version version = VersionOf(change.version);
  if (version <= version_) {
    log_.Violate(absl::StrCat(name_, ": told of ", ToString(version), " with ", ToString(version_), " in force"));
  }
  const bool is_delta = change.base.revision() != 0 || !change.transfers.empty();
  if (is_delta && VersionOf(change.base) != version_) {
    log_.Violate(absl::StrCat(name_, ": a delta from ", ToString(VersionOf(change.base)), " with ", ToString(version_),
                              " in force"));
  }
  if (!is_delta && change.layers.size() != layout_.size()) {
    log_.Violate(absl::StrCat(name_, ": a full placement of ", change.layers.size(), " layers"));
  }
}

Layout CheckedEngine::Resulting(const PlacementChange& change) const {
  Layout result = layout_;
  for (const v1::LayerPlacement& layer : change.layers) {
    const auto& slots = layer.physical_to_logical();
    result.at(static_cast<std::size_t>(layer.model_layer())).assign(slots.begin(), slots.end());
  }
  return result;
}

bool CheckedEngine::HasAllExperts(const std::vector<std::int32_t>& slots) const {
  std::vector<bool> seen(static_cast<std::size_t>(num_experts_), false);
  for (const std::int32_t expert : slots) {
    if (expert >= 0) seen.at(static_cast<std::size_t>(expert)) = true;
  }
  return std::all_of(seen.begin(), seen.end(), [](bool is_there) { return is_there; });
}

void CheckedEngine::CheckTransfers(const PlacementChange& change, const Layout& target) {
  if (change.transfers.empty()) return;
  Layout now = layout_;
  for (int i = 0; i < static_cast<int>(change.transfers.size());) {
    const Layout before = now;
    const std::int32_t step = change.transfers[static_cast<std::size_t>(i)].step();
    for (; i < static_cast<int>(change.transfers.size()); ++i) {
      const v1::Transfer& transfer = change.transfers[static_cast<std::size_t>(i)];
      if (transfer.step() != step) break;
      const auto layer = static_cast<std::size_t>(transfer.model_layer());
      const std::int32_t source = transfer.source_slot();
      if (source >= 0 && before.at(layer).at(static_cast<std::size_t>(source)) != transfer.expert()) {
        log_.Violate(absl::StrCat(name_, ": step ", step, " copies from a slot that holds another expert"));
      }
      now.at(layer).at(static_cast<std::size_t>(transfer.target_slot())) = transfer.expert();
    }
    if (!std::all_of(now.begin(), now.end(), [this](const auto& slots) { return HasAllExperts(slots); })) {
      log_.Violate(absl::StrCat(name_, ": an expert is lost after step ", step));
    }
  }
  for (std::size_t layer = 0; layer < now.size(); ++layer) {
    for (std::size_t slot = 0; slot < now[layer].size(); ++slot) {
      const std::int32_t wanted = target[layer][slot];
      if (wanted >= 0 && now[layer][slot] != wanted) {  // what is emptied needs no transfer
        log_.Violate(absl::StrCat(name_, ": transfers to ", ToString(VersionOf(change.version)), " do not lead there"));
        return;
      }
    }
  }
}

void CheckedEngine::Prepare(std::shared_ptr<const PlacementChange> change,
                            std::function<void(const absl::Status&)> done) {
  log_.CountEvent();
  CheckVersions(*change);
  CheckTransfers(*change, Resulting(*change));
  done(absl::OkStatus());
}

void CheckedEngine::Activate(const PlacementChange& change) {
  CheckVersions(change);
  Adopt(change, Resulting(change));
  if (on_activated) on_activated(change, layout_);
}

void CheckedEngine::Adopt(const PlacementChange& change, const Layout& layout) {
  if (VersionOf(change.version) <= version_) log_.Violate(absl::StrCat(name_, ": went back"));
  version_ = VersionOf(change.version);
  layout_ = layout;
  log_.Applied(version_, layout_);
}

bool CheckedEngine::TakeLoads(v1::LoadReport& report) {
  log_.CountEvent();
  report.mutable_window()->set_nanos(100'000'000);
  ++reports_;
  for (const std::vector<std::int32_t>& slots : layout_) {
    for (int slot = first_slot_; slot < first_slot_ + num_slots_; ++slot) {
      // One expert in seven is hot, and which ones changes every few reports.
      const std::int32_t expert = slots[static_cast<std::size_t>(slot)];
      const bool hot = expert % 7 == reports_ / 5 % 7;
      report.add_slot_tokens(expert < 0 ? 0 : hot ? 5000 : 100);
    }
  }
  return true;
}

std::vector<v1::LayerPlacement> LayersOf(const Layout& layout) {
  std::vector<v1::LayerPlacement> layers;
  for (std::size_t layer = 0; layer < layout.size(); ++layer) {
    v1::LayerPlacement& row = layers.emplace_back();
    row.set_model_layer(static_cast<std::int32_t>(layer));
    row.mutable_physical_to_logical()->Add(layout[layer].begin(), layout[layer].end());
  }
  return layers;
}

}  // namespace eplb::testing
