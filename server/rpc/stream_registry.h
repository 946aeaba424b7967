#ifndef EPLB_SERVER_RPC_STREAM_REGISTRY_H_
#define EPLB_SERVER_RPC_STREAM_REGISTRY_H_

#include <cstddef>
#include <memory>
#include <unordered_map>

#include "absl/status/status.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// A stream that has not ended.
class OpenStream {
 public:
  virtual ~OpenStream() = default;

  // Ends the stream with that status, as soon as what is being written is written; at once where the peer does not
  // read. The first end counts. Thread-safe.
  virtual void End(const absl::Status& status) = 0;
};

// The streams of a server, so that they can be ended: gRPC's own shutdown would wait for them. Thread-safe.
class StreamRegistry {
 public:
  // After EndAll the stream is ended at once.
  void Add(const std::shared_ptr<OpenStream>& stream) EPLB_EXCLUDES(mutex_);
  void Remove(const OpenStream* stream) EPLB_EXCLUDES(mutex_);

  // Ends all streams, and those that come later. An OK status is no end.
  void EndAll(const absl::Status& status) EPLB_EXCLUDES(mutex_);

  std::size_t size() const EPLB_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  absl::Status end_ EPLB_GUARDED_BY(mutex_);  // not OK: all are to end
  std::unordered_map<const OpenStream*, std::weak_ptr<OpenStream>> streams_ EPLB_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_STREAM_REGISTRY_H_
