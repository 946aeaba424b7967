#ifndef EPLB_SERVER_RPC_WATCH_EVENT_BYTES_H_
#define EPLB_SERVER_RPC_WATCH_EVENT_BYTES_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <deque>
#include <memory>

#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/placement/watch_event.h"
#include "server/telemetry/deployment_spec.h"

namespace eplb {

// Serialises events of watches. All watchers of a deployment that hold one base are told of one PlacementUpdate: its
// bytes are made once and shared, so that a thousand watchers cost little more than one. Thread-safe.
class WatchEventBytes {
 public:
  grpc::ByteBuffer Serialize(const WatchEvent& event, const DeploymentSpec& spec) EPLB_EXCLUDES(mutex_);

 private:
  struct Entry {
    std::weak_ptr<const PlacementUpdate> update;
    grpc::ByteBuffer bytes;
  };
  // Newest updates whose bytes are kept; more deployments than that publishing at once make some of them twice.
  static constexpr std::size_t kMaxEntries = 64;

  Mutex mutex_;
  std::deque<Entry> entries_ EPLB_GUARDED_BY(mutex_);  // oldest first
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_WATCH_EVENT_BYTES_H_
