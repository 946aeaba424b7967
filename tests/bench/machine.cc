#include "tests/bench/machine.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace eplb::bench {
namespace {

std::string Processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

#ifdef __clang__
constexpr char kCompiler[] = __VERSION__;
#else
constexpr char kCompiler[] = "g++ " __VERSION__;
#endif

}  // namespace

std::string DescribeMachine() {
  return absl::StrCat(Processor(), ", ", std::thread::hardware_concurrency(), " cores; ", kCompiler, ", ",
                      EPLB_BUILD_TYPE);
}

RunTimes TimeRuns(int runs, const std::function<void()>& work) {
  if (runs > 1) work();
  std::vector<double> cpu;
  std::vector<double> wall;
  for (int run = 0; run < runs; ++run) {
    const auto wall_start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    work();
    cpu.push_back(1e3 * static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC);
    wall.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - wall_start).count());
  }
  const auto middle = cpu.begin() + static_cast<std::ptrdiff_t>(cpu.size() / 2);
  std::nth_element(cpu.begin(), middle, cpu.end());
  return {.cpu_median = *middle, .wall_best = *std::min_element(wall.begin(), wall.end())};
}

}  // namespace eplb::bench
