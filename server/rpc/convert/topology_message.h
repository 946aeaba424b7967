#ifndef EPLB_SERVER_RPC_CONVERT_TOPOLOGY_MESSAGE_H_
#define EPLB_SERVER_RPC_CONVERT_TOPOLOGY_MESSAGE_H_

#include <optional>
#include <string_view>

#include "eplb/v1/topology.pb.h"
#include "server/base/field_errors.h"
#include "server/model/topology.h"
#include "server/rpc/convert/request_limits.h"

namespace eplb {

// The hardware that a message states, with defaults filled in and no GPU excluded. Adds what is wrong to `errors`,
// under `field` ("topology" gives "topology.num_gpus"), and is nullopt then.
std::optional<TopologyOptions> ReadTopology(const v1::Topology& message, std::string_view field,
                                            const RequestLimits& limits, FieldErrors& errors);

// States what was read; the excluded GPUs are not part of the message.
v1::Topology TopologyMessage(const TopologyOptions& options);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_TOPOLOGY_MESSAGE_H_
