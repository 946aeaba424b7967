#ifndef EPLB_CLIENT_EPLBCTL_REPLAY_RUNS_H_
#define EPLB_CLIENT_EPLBCTL_REPLAY_RUNS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "client/eplbctl/replay_result.h"
#include "client/files/load_series.h"
#include "server/base/parallel_for.h"
#include "server/model/topology.h"
#include "server/planner/replay.h"

namespace eplb {

// Replays the series with the options; with `compare` also with what users have today: the published algorithm after
// each window, and one plan that is kept, both with equal traffic shares. Errors are those of Replay.
absl::StatusOr<std::vector<NamedReplay>> RunReplays(const LoadSeries& series, const Topology& topology,
                                                    const ReplayOptions& options, bool compare,
                                                    const ParallelFor& parallel);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_REPLAY_RUNS_H_
