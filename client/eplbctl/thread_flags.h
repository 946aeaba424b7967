#ifndef EPLB_CLIENT_EPLBCTL_THREAD_FLAGS_H_
#define EPLB_CLIENT_EPLBCTL_THREAD_FLAGS_H_

#include <CLI/CLI.hpp>
#include <memory>

#include "server/base/thread_team.h"

namespace eplb {

// --threads: how many threads plan in this process. Results do not depend on it.
class ThreadFlags {
 public:
  void AddTo(CLI::App& app);

  std::unique_ptr<ThreadTeam> NewTeam() const;

 private:
  int threads_ = 0;  // 0: one per core
};

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_THREAD_FLAGS_H_
