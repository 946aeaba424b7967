#ifndef EPLB_SERVER_RPC_REQUEST_HEAD_H_
#define EPLB_SERVER_RPC_REQUEST_HEAD_H_

#include <grpcpp/support/byte_buffer.h>

#include <string>

#include "absl/status/statusor.h"

namespace eplb {

// What a Rebalance is routed by, read without parsing its loads.
struct RebalanceHead {
  std::string deployment;
  std::string request_id;
  bool has_samples = false;
  bool validate_only = false;
};

// INVALID_ARGUMENT where the bytes are no message. What it takes for valid may still turn out malformed further inside.
absl::StatusOr<RebalanceHead> ReadRebalanceHead(const grpc::ByteBuffer& request);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_REQUEST_HEAD_H_
