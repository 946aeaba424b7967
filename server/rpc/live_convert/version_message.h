#ifndef EPLB_SERVER_RPC_LIVE_CONVERT_VERSION_MESSAGE_H_
#define EPLB_SERVER_RPC_LIVE_CONVERT_VERSION_MESSAGE_H_

#include <string_view>

#include "eplb/v1/placement.pb.h"
#include "server/base/field_errors.h"
#include "server/model/placement_version.h"

namespace eplb {

// Adds what is wrong to `errors`, under `field`.
PlacementVersion ReadVersion(const v1::PlacementVersion& message, std::string_view field, FieldErrors& errors);

void WriteVersion(const PlacementVersion& version, v1::PlacementVersion& message);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_LIVE_CONVERT_VERSION_MESSAGE_H_
