#include "client/live/held_placement.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace eplb {
namespace {

std::string Name(const v1::PlacementVersion& version) { return absl::StrCat(version.epoch(), "/", version.revision()); }

template <typename Layers>
auto FindLayer(Layers& layers, int model_layer) {
  return std::find_if(layers.begin(), layers.end(),
                      [&](const v1::LayerPlacement& layer) { return layer.model_layer() == model_layer; });
}

}  // namespace

int CompareVersions(const v1::PlacementVersion& a, const v1::PlacementVersion& b) {
  const auto key = [](const v1::PlacementVersion& version) { return std::tuple(version.epoch(), version.revision()); };
  if (key(a) == key(b)) return 0;
  return key(a) < key(b) ? -1 : 1;
}

bool IsUnset(const v1::PlacementVersion& version) { return version.epoch() == 0 && version.revision() == 0; }

absl::Status HeldPlacement::Check(const v1::PlacementVersion& version, const v1::PlacementVersion* base,
                                  const std::vector<v1::LayerPlacement>& layers) const {
  if (CompareVersions(version, version_) <= 0) {
    return absl::OutOfRangeError(absl::StrCat("version ", Name(version), " is not newer than ", Name(version_)));
  }
  if (base != nullptr && CompareVersions(*base, version_) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the delta is from ", Name(*base), ", in force is ", Name(version_)));
  }
  if (layers_.empty() && base == nullptr) return absl::OkStatus();  // an onlooker's first
  if (base == nullptr && layers.size() != layers_.size()) {
    return absl::InvalidArgumentError(absl::StrCat(layers.size(), " layers, in force are ", layers_.size()));
  }
  for (const v1::LayerPlacement& layer : layers) {
    const auto held = FindLayer(layers_, layer.model_layer());
    if (held == layers_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("model layer ", layer.model_layer(), " is not in force"));
    }
    if (held->physical_to_logical_size() != layer.physical_to_logical_size()) {
      return absl::InvalidArgumentError(absl::StrCat("model layer ", layer.model_layer(), " has ",
                                                     layer.physical_to_logical_size(), " slots, in force are ",
                                                     held->physical_to_logical_size()));
    }
  }
  return absl::OkStatus();
}

void HeldPlacement::Apply(const v1::PlacementVersion& version, const v1::PlacementVersion* base,
                          std::vector<v1::LayerPlacement> layers) {
  version_ = version;
  if (base == nullptr) {
    layers_ = std::move(layers);
    return;
  }
  for (v1::LayerPlacement& layer : layers) *FindLayer(layers_, layer.model_layer()) = std::move(layer);
}

void HeldPlacement::Adopt(const v1::PlacementVersion& version, std::vector<v1::LayerPlacement> layers) {
  version_ = version;
  layers_ = std::move(layers);
}

}  // namespace eplb
