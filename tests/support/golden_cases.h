#ifndef EPLB_TESTS_SUPPORT_GOLDEN_CASES_H_
#define EPLB_TESTS_SUPPORT_GOLDEN_CASES_H_

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/model/topology.h"

namespace eplb {

// One of the published algorithm's own answers (tests/testdata/reference_cases.json).
struct GoldenCase {
  using Rows = std::vector<std::vector<std::int32_t>>;

  TopologyOptions topology;
  int num_experts = 0;
  std::vector<std::vector<double>> loads;  // [layers][experts]
  Rows physical_to_logical;                // [layers][slots]
  Rows expert_count;                       // [layers][experts]
  std::vector<Rows> logical_to_physical;   // [layers][experts][most replicas], padded with -1; empty: not told
};

inline std::vector<GoldenCase> GoldenCases() {
  std::ifstream file(std::string(EPLB_TESTDATA_DIR) + "/reference_cases.json");
  std::vector<GoldenCase> cases;
  for (const nlohmann::json& golden : nlohmann::json::parse(file)) {
    cases.push_back({.topology = {.num_gpus = golden.at("gpus"),
                                  .num_nodes = golden.at("nodes"),
                                  .num_groups = golden.at("groups"),
                                  .num_slots = golden.at("replicas")},
                     .num_experts = golden.at("experts"),
                     .loads = golden.at("loads"),
                     .physical_to_logical = golden.at("physical_to_logical"),
                     .expert_count = golden.at("expert_count"),
                     .logical_to_physical = {}});
    if (golden.contains("logical_to_physical")) cases.back().logical_to_physical = golden.at("logical_to_physical");
  }
  EXPECT_EQ(cases.size(), 39U);
  return cases;
}

}  // namespace eplb

#endif  // EPLB_TESTS_SUPPORT_GOLDEN_CASES_H_
