#ifndef EPLB_CLIENT_FILES_TOPOLOGY_FILE_H_
#define EPLB_CLIENT_FILES_TOPOLOGY_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/model/topology.h"

namespace eplb {

// Reads a fleet's hardware from JSON, each key optional and named as in TopologyOptions:
//
//   {"num_gpus": 4, "num_nodes": 2, "num_groups": 1, "num_slots": 10, "slots_per_gpu": [3, 3, 2, 2],
//    "gpu_speed": [1, 1, 0.8, 0.8], "node_of_gpu": [0, 0, 1, 1], "excluded_gpus": []}
//
// INVALID_ARGUMENT names line and column, unknown keys and values of the wrong type; whether the values fit one another
// is for Topology::Create to say. num_slots may be left out where slots_per_gpu is given, num_gpus too.
absl::StatusOr<TopologyOptions> ParseTopology(std::string_view json);

// The same from a file; errors name its path.
absl::StatusOr<TopologyOptions> ReadTopologyFile(const std::string& path);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_TOPOLOGY_FILE_H_
