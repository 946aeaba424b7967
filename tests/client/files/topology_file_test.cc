#include "client/files/topology_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace eplb {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string ErrorOf(const std::string& json) { return std::string(ParseTopology(json).status().message()); }

TEST(TopologyFileTest, ReadsEveryKey) {
  const auto options = ParseTopology(R"({"num_gpus": 4, "num_nodes": 2, "num_groups": 3, "num_slots": 10,
      "slots_per_gpu": [3, 3, 2, 2], "gpu_speed": [1, 1, 0.8, 0.8], "node_of_gpu": [0, 0, 1, 1], "excluded_gpus": [2]})");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->num_gpus, 4);
  EXPECT_EQ(options->num_nodes, 2);
  EXPECT_EQ(options->num_groups, 3);
  EXPECT_EQ(options->num_slots, 10);
  EXPECT_THAT(options->slots_per_gpu, ElementsAre(3, 3, 2, 2));
  EXPECT_THAT(options->gpu_speed, ElementsAre(1, 1, 0.8, 0.8));
  EXPECT_THAT(options->node_of_gpu, ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(options->excluded_gpus, ElementsAre(2));
}

TEST(TopologyFileTest, SlotsPerGpuSayTheCounts) {
  const auto options = ParseTopology(R"({"slots_per_gpu": [3, 2]})");
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->num_gpus, 2);
  EXPECT_EQ(options->num_slots, 5);
}

TEST(TopologyFileTest, NamesEverythingWrongAtOnce) {
  EXPECT_THAT(
      ErrorOf(R"({"num_gpu": 4, "num_nodes": "2", "gpu_speed": [1, null], "node_of_gpu": 3, "num_slots": 1.5})"),
      AllOf(HasSubstr("num_gpu: unknown key"), HasSubstr("num_nodes: \"2\": must be a whole number"),
            HasSubstr("gpu_speed[1]: null: must be a number"), HasSubstr("node_of_gpu: a number: must be an array"),
            HasSubstr("num_slots: 1.5: must be a whole number")));
}

TEST(TopologyFileTest, RefusesWhatIsNoObjectAndWhatIsTooLarge) {
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(ErrorOf("{\"num_gpus\": \n}"), HasSubstr("line 2, column 1: is not valid JSON here"));
  EXPECT_THAT(ErrorOf(R"({"num_gpus": 99999999999})"), HasSubstr("num_gpus: 99999999999: must be a whole number"));
  std::string long_list = R"({"slots_per_gpu": [0)";
  for (int i = 0; i < 70000; ++i) long_list += ",0";
  EXPECT_THAT(ErrorOf(long_list + "]}"), HasSubstr("must hold at most"));
}

}  // namespace
}  // namespace eplb
