#ifndef EPLB_CLIENT_EPLBCTL_REPLAY_RESULT_H_
#define EPLB_CLIENT_EPLBCTL_REPLAY_RESULT_H_

#include <string>
#include <vector>

#include "server/model/topology.h"
#include "server/planner/replay.h"

namespace eplb {

// One replay and what to call it.
struct NamedReplay {
  std::string name;
  ReplayResult result;
};

// The result as JSON, keys as documented in eplbctl replay --help.
std::string ReplayJson(const ReplayResult& result);

// The results as a table for people, one row each; the first is ours.
std::string ReplayTable(const std::string& title, const Topology& topology, const std::vector<NamedReplay>& replays,
                        bool colour);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_REPLAY_RESULT_H_
