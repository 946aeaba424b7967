#include "client/eplbctl/thread_flags.h"

#include <algorithm>
#include <thread>

#include "client/eplbctl/flag_checks.h"

namespace eplb {

void ThreadFlags::AddTo(CLI::App& app) {
  app.add_option("--threads", threads_, "Threads that plan in this process, 0 for one per core; the plan is the same")
      ->type_name("N")
      ->check(InRange(0, 1024))
      ->group("Where");
}

std::unique_ptr<ThreadTeam> ThreadFlags::NewTeam() const {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return std::make_unique<ThreadTeam>(threads_ == 0 ? cores : threads_);
}

}  // namespace eplb
