#include "client/live/held_placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace eplb {
namespace {

using ::testing::ElementsAre;

v1::PlacementVersion Version(std::int64_t epoch, std::int64_t revision) {
  v1::PlacementVersion version;
  version.set_epoch(epoch);
  version.set_revision(revision);
  return version;
}

v1::LayerPlacement Layer(int model_layer, const std::vector<std::int32_t>& slots) {
  v1::LayerPlacement layer;
  layer.set_model_layer(model_layer);
  layer.mutable_physical_to_logical()->Assign(slots.begin(), slots.end());
  return layer;
}

const std::vector<v1::LayerPlacement> kInitial = {Layer(3, {0, 1, 0}), Layer(4, {0, 1, 1})};

TEST(CompareVersionsTest, EpochComesFirst) {
  EXPECT_EQ(CompareVersions(Version(5, 9), Version(6, 1)), -1);
  EXPECT_EQ(CompareVersions(Version(6, 2), Version(6, 1)), 1);
  EXPECT_EQ(CompareVersions(Version(6, 2), Version(6, 2)), 0);
  EXPECT_EQ(CompareVersions(v1::PlacementVersion(), Version(1, 1)), -1);
}

TEST(HeldPlacementTest, AFullPlacementReplacesAllLayers) {
  HeldPlacement held(kInitial);
  EXPECT_TRUE(IsUnset(held.version()));
  const std::vector<v1::LayerPlacement> full = {Layer(3, {1, 0, 1}), Layer(4, {1, 0, 0})};
  ASSERT_TRUE(held.Check(Version(7, 1), nullptr, full).ok());
  held.Apply(Version(7, 1), nullptr, full);
  EXPECT_EQ(CompareVersions(held.version(), Version(7, 1)), 0);
  EXPECT_THAT(held.layers()[0].physical_to_logical(), ElementsAre(1, 0, 1));
  EXPECT_THAT(held.layers()[1].physical_to_logical(), ElementsAre(1, 0, 0));
}

TEST(HeldPlacementTest, ADeltaReplacesTheLayersThatItNames) {
  HeldPlacement held(kInitial);
  held.Adopt(Version(7, 1), kInitial);
  const v1::PlacementVersion base = Version(7, 1);
  const std::vector<v1::LayerPlacement> delta = {Layer(4, {0, 0, 1})};
  ASSERT_TRUE(held.Check(Version(7, 2), &base, delta).ok());
  held.Apply(Version(7, 2), &base, delta);
  EXPECT_EQ(CompareVersions(held.version(), Version(7, 2)), 0);
  EXPECT_THAT(held.layers()[0].physical_to_logical(), ElementsAre(0, 1, 0));
  EXPECT_THAT(held.layers()[1].physical_to_logical(), ElementsAre(0, 0, 1));
}

TEST(HeldPlacementTest, WhatIsNotNewerIsStale) {
  HeldPlacement held(kInitial);
  held.Adopt(Version(7, 2), kInitial);
  for (const v1::PlacementVersion& stale : {Version(7, 2), Version(7, 1), Version(6, 9)}) {
    EXPECT_EQ(held.Check(stale, nullptr, kInitial).code(), absl::StatusCode::kOutOfRange) << stale.DebugString();
  }
}

TEST(HeldPlacementTest, ADeltaFromAnotherBaseDoesNotFit) {
  HeldPlacement held(kInitial);
  held.Adopt(Version(7, 2), kInitial);
  for (const v1::PlacementVersion& base : {Version(7, 1), Version(7, 3), Version(8, 2)}) {
    EXPECT_EQ(held.Check(Version(9, 1), &base, {Layer(3, {0, 1, 1})}).code(), absl::StatusCode::kFailedPrecondition);
  }
}

TEST(HeldPlacementTest, LayersAndSlotsThatTheEngineHasNotAreRefused) {
  HeldPlacement held(kInitial);
  held.Adopt(Version(7, 1), kInitial);
  const v1::PlacementVersion base = Version(7, 1);
  const auto check = [&](const std::vector<v1::LayerPlacement>& layers, const v1::PlacementVersion* from) {
    return held.Check(Version(7, 2), from, layers).code();
  };
  EXPECT_EQ(check({Layer(5, {0, 1, 0})}, &base), absl::StatusCode::kInvalidArgument) << "no such layer";
  EXPECT_EQ(check({Layer(3, {0, 1})}, &base), absl::StatusCode::kInvalidArgument) << "a slot short";
  EXPECT_EQ(check({Layer(3, {0, 1, 0})}, nullptr), absl::StatusCode::kInvalidArgument) << "full, a layer short";
  EXPECT_EQ(check(kInitial, nullptr), absl::StatusCode::kOk);
}

TEST(HeldPlacementTest, AnOnlookerStartsWithAnyFullPlacementButWithNoDelta) {
  const HeldPlacement held;
  EXPECT_TRUE(held.Check(Version(7, 1), nullptr, kInitial).ok());
  const v1::PlacementVersion base = Version(7, 0);
  EXPECT_EQ(held.Check(Version(7, 1), &base, kInitial).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace eplb
