#ifndef EPLB_SERVER_RPC_CONVERT_UNCHANGED_REASON_MESSAGE_H_
#define EPLB_SERVER_RPC_CONVERT_UNCHANGED_REASON_MESSAGE_H_

#include "eplb/v1/rebalance.pb.h"
#include "server/planner/unchanged_reason.h"

namespace eplb {

// UNCHANGED_REASON_UNSPECIFIED for kNone.
v1::UnchangedReason UnchangedReasonMessage(UnchangedReason reason);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_UNCHANGED_REASON_MESSAGE_H_
