#include "server/telemetry/deployment_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/telemetry/names.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

DeploymentSpecOptions Valid() {
  DeploymentSpecOptions options;
  options.name = "prod/r1-decode";
  options.topology = {.num_gpus = 4, .num_nodes = 2, .num_slots = 12};
  options.model_layers = {3, 4, 7};
  options.num_experts = 8;
  return options;
}

std::string Refusal(DeploymentSpecOptions options) {
  return std::string(DeploymentSpec::Create(std::move(options)).status().message());
}

TEST(NamesTest, DeploymentNamesAreSafeForLabels) {
  for (const char* name : {"a", "prod/r1", "A-1_b.c/2", "0"})
    EXPECT_TRUE(ValidateDeploymentName("d", name).ok()) << name;
  for (const char* name : {"", "/a", "-a", "a b", "a\"b", "a\nb", "\xc3\xa4", "a{b}"}) {
    EXPECT_FALSE(ValidateDeploymentName("d", name).ok()) << name;
  }
  EXPECT_TRUE(ValidateDeploymentName("d", std::string(128, 'a')).ok());
  EXPECT_FALSE(ValidateDeploymentName("d", std::string(129, 'a')).ok());
}

TEST(NamesTest, WorkerNamesArePrintable) {
  EXPECT_TRUE(ValidateWorkerName("w", "pod-0.ns:8080/uid{1}").ok());
  for (const char* name : {"", "a b", "a\"", "a\\", "a\t", "\x7f"}) EXPECT_FALSE(ValidateWorkerName("w", name).ok());
}

TEST(DeploymentSpecTest, TakesAValidOne) {
  const absl::StatusOr<DeploymentSpec> spec = DeploymentSpec::Create(Valid());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->num_layers(), 3);
  EXPECT_EQ(spec->topology().num_slots(), 12);
}

TEST(DeploymentSpecTest, NamesEveryFieldThatBreaksItsRule) {
  DeploymentSpecOptions options = Valid();
  options.name = "bad name";
  options.model_layers = {3, 3};
  options.num_experts = 0;
  options.topology.num_gpus = 0;
  options.phase_weights = {.unspecified = 0, .prefill = 0, .decode = 0};
  const std::string message = Refusal(options);
  for (const char* field : {"deployment", "model_layers[1]", "num_experts", "topology.num_gpus", "phase_weights"}) {
    EXPECT_THAT(message, HasSubstr(field));
  }
}

TEST(DeploymentSpecTest, SlotsMustCoverTheExperts) {
  DeploymentSpecOptions options = Valid();
  options.num_experts = 13;
  EXPECT_THAT(Refusal(options), HasSubstr("topology.num_slots: 12: must be at least num_experts = 13"));
}

TEST(DeploymentSpecTest, ConstraintsFitTheHardware) {
  DeploymentSpecOptions options = Valid();
  options.constraints.min_nodes_per_expert = 3;
  options.constraints.slot_budget_per_layer = {12, 12, 7};
  EXPECT_THAT(Refusal(options), HasSubstr("constraints.min_nodes_per_expert"));
  EXPECT_THAT(Refusal(options), HasSubstr("constraints.slot_budget_per_layer[2]"));
}

TEST(DeploymentSpecTest, TellsTheFirstDifference) {
  const DeploymentSpec spec = *DeploymentSpec::Create(Valid());
  EXPECT_EQ(spec.DifferenceFrom(spec), "");
  const auto difference = [&](auto change) {
    DeploymentSpecOptions options = Valid();
    change(options);
    return spec.DifferenceFrom(*DeploymentSpec::Create(options));
  };
  EXPECT_EQ(difference([](auto& o) { o.topology.num_slots = 16; }), "topology.num_slots is 12 and was told as 16");
  EXPECT_EQ(difference([](auto& o) { o.model_layers[2] = 8; }), "model_layers[2] is 7 and was told as 8");
  EXPECT_EQ(difference([](auto& o) { o.model_layers.pop_back(); }),
            "model_layers is a list of 3 and was told as a list of 2");
  EXPECT_THAT(difference([](auto& o) { o.topology.gpu_speed = {1, 1, 2, 1}; }), HasSubstr("topology.gpu_speed[2]"));
  EXPECT_THAT(difference([](auto& o) { o.phase_weights.decode = 2; }), HasSubstr("phase_weights.decode"));
  EXPECT_THAT(difference([](auto& o) { o.coordination = CoordinationMode::kAllRanks; }),
              HasSubstr("coordination_mode"));
}

}  // namespace
}  // namespace eplb
