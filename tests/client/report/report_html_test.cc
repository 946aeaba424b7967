#include "client/report/report_html.h"

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ReportData SmallReport() {
  return {.title = "two layers",
          .subtitle = "made by hand",
          .num_gpus = 2,
          .num_nodes = 2,
          .node_of_gpu = {0, 1},
          .model_layers = {3, 4},
          .gpu_before = {0.5, 1.5, 0.8, 1.2},
          .gpu_after = {1, 1, 0.9, 1.1},
          .balancedness_before = 0.75,
          .balancedness_after = 0.95,
          .worst_balancedness_after = 0.91,
          .step_time_before = 1.35,
          .step_time_after = 1.05,
          .lower_bound_step_time = 1.0,
          .compute_milliseconds = 1.5,
          .fetches = 3,
          .num_slots = 4,
          .num_experts = 3,
          .replicas = {2, 1, 1, 1, 2, 1},
          .expert_share = {0.5, 0.25, 0.25, 0.2, 0.6, 0.2},
          .node_fetches = {1, 2, 0, 0},
          .replays = {{.name = "ours", .step_times = {1.2, 1.1}, .fetch_percent = 3, .ours = true}}};
}

TEST(RenderReport, HoldsEveryNumberOnceAsData) {
  const std::string page = RenderReport(SmallReport());
  EXPECT_THAT(page, HasSubstr("\"before\":[0.5,1.5,0.8,1.2]"));
  EXPECT_THAT(page, HasSubstr("\"node_fetches\":[1,2,0,0]"));
  EXPECT_THAT(page, HasSubstr("\"name\":\"ours\",\"ours\":true,\"fetch_percent\":3.0,\"step_times\":[1.2,1.1]"));
}

TEST(RenderReport, NeedsNoNetwork) {
  const std::string page = RenderReport(SmallReport());
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, Not(HasSubstr("@import")));
  EXPECT_THAT(page, Not(HasSubstr("fetch(")));
}

TEST(RenderReport, TextCannotEndTheScript) {
  ReportData data = SmallReport();
  data.title = "</script><img onerror=alert(1)>";
  EXPECT_THAT(RenderReport(data), Not(HasSubstr("<img")));
}

TEST(RenderReport, BrokenTextIsReplacedNotFatal) {
  ReportData data = SmallReport();
  data.subtitle = "caf\xe9";
  EXPECT_THAT(RenderReport(data), HasSubstr("caf\xef\xbf\xbd"));
}

// Writes the page that render_test.sh opens in a browser.
TEST(RenderReport, WritesThePageForTheBrowserTest) {
  const char* path = std::getenv("EPLB_REPORT_PAGE");
  if (path == nullptr) GTEST_SKIP() << "EPLB_REPORT_PAGE is not set";
  ReportData data = SmallReport();
  data.title = "58 layers on 32 GPUs";
  data.num_gpus = 32;
  data.num_nodes = 4;
  data.node_of_gpu.clear();
  data.model_layers.clear();
  data.gpu_before.clear();
  data.gpu_after.clear();
  data.replicas.clear();
  data.expert_share.clear();
  data.num_experts = 64;
  for (int gpu = 0; gpu < 32; ++gpu) data.node_of_gpu.push_back(gpu / 8);
  for (int layer = 0; layer < 58; ++layer) {
    data.model_layers.push_back(layer + 3);
    for (int gpu = 0; gpu < 32; ++gpu) {
      const double wave = std::sin(gpu * 0.7 + layer * 1.3);
      data.gpu_before.push_back(1 + 0.8 * wave + (gpu == layer % 32 ? 1.5 : 0));
      data.gpu_after.push_back(1 + 0.03 * wave);
    }
    for (int expert = 0; expert < 64; ++expert) {
      const double share = std::exp(1.2 * std::sin(expert * 3.1 + layer)) / 90;
      data.expert_share.push_back(share);
      data.replicas.push_back(1 + static_cast<int>(share * 60));
    }
  }
  data.node_fetches = {40, 3, 9, 1, 2, 35, 0, 4, 8, 1, 44, 0, 0, 2, 5, 31};
  data.fetches = 185;
  data.num_slots = 288;
  data.replays.clear();
  for (int curve = 0; curve < 4; ++curve) {
    ReplayCurve& replay = data.replays.emplace_back();
    replay.name = curve == 0 ? "small moves, every sub-window" : "policy " + std::to_string(curve);
    replay.ours = curve == 0;
    for (int i = 0; i < 120; ++i) replay.step_times.push_back(1.1 + 0.12 * curve + 0.05 * std::sin(i * 0.3 + curve));
  }
  std::ofstream(path) << RenderReport(data);
}

}  // namespace
}  // namespace eplb
