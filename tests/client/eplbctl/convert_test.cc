#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/client/eplbctl/eplbctl.h"

namespace eplb::testing {
namespace {

using ::testing::HasSubstr;

TEST(EplbctlConvertTest, GoesFromEngineToEngineAndBack) {
  const TemporaryDirectory directory;
  const std::string rows = directory.Write("rows.json", "[\n[0,1,1,0],\n[1,1,0,1]\n]\n");
  const std::string sglang = directory.Path("sglang.json");
  const std::string ascend = directory.Path("ascend.json");
  ASSERT_EQ(
      RunEplbctl({"convert", "--input", rows, "--to", "sglang", "--first-layer", "3", "--output", sglang}).exit_code,
      0);
  ASSERT_EQ(RunEplbctl({"convert", "--input", sglang, "--first-layer", "3", "--to", "vllm-ascend", "--gpus", "2",
                        "--output", ascend})
                .exit_code,
            0);
  const ProgramResult back = RunEplbctl({"convert", "--input", ascend, "--to", "vllm"});
  EXPECT_EQ(back.exit_code, 0) << back.err;
  EXPECT_EQ(back.out, ReadFile(rows));
}

TEST(EplbctlConvertTest, WritesTensorrtLlmYaml) {
  const TemporaryDirectory directory;
  const std::string rows = directory.Write("rows.json", "[0,1,1]");
  const ProgramResult result =
      RunEplbctl({"convert", "--input", rows, "--to", "tensorrt-llm", "--first-layer", "3", "--layers", "2"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "initial_global_assignments:\n  3: [0, 1, 1]\n  4: [0, 1, 1]\nnum_slots: 3\nlayer_updates_per_iter: 0\n");
}

TEST(EplbctlConvertTest, NamesTheFileThatCannotBeSaid) {
  const TemporaryDirectory directory;
  const std::string rows = directory.Write("rows.json", "[[0,1,-1]]");
  const ProgramResult result = RunEplbctl({"convert", "--input", rows, "--to", "vllm"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("rows.json: slot 2 of layer 0 is empty, which vllm has no way to say"));
}

}  // namespace
}  // namespace eplb::testing
