#ifndef EPLB_TESTS_BENCH_MACHINE_H_
#define EPLB_TESTS_BENCH_MACHINE_H_

#include <functional>
#include <string>

namespace eplb::bench {

// One line: processor, cores, compiler, build type.
std::string DescribeMachine();

// What the runs of a piece of work took, in milliseconds.
struct RunTimes {
  double cpu_median = 0;  // of all threads together: what others do on the machine does not count
  double wall_best = 0;   // of the run that was disturbed least
};

// Runs `work` once to warm up, unless runs is 1, and then `runs` times.
RunTimes TimeRuns(int runs, const std::function<void()>& work);

}  // namespace eplb::bench

#endif  // EPLB_TESTS_BENCH_MACHINE_H_
