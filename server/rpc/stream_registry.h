#ifndef EPLB_SERVER_RPC_STREAM_REGISTRY_H_
#define EPLB_SERVER_RPC_STREAM_REGISTRY_H_

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"

namespace eplb {

// A stream that has not ended.
class OpenStream {
 public:
  virtual ~OpenStream() = default;

  // Ends the stream with that status, as soon as what is being written is written. The first end counts. Thread-safe.
  virtual void End(const absl::Status& status) = 0;
  // Breaks the stream off, also where its peer does not read. Thread-safe.
  virtual void BreakOff() = 0;
};

// The streams of a server, so that they can be ended: gRPC's own shutdown would wait for them. Thread-safe.
class StreamRegistry {
 public:
  // After EndAll the stream is ended at once.
  void Add(const std::shared_ptr<OpenStream>& stream) EPLB_EXCLUDES(mutex_);
  void Remove(const OpenStream* stream) EPLB_EXCLUDES(mutex_);

  // Ends all streams, and those that come later, with a status that is not OK. Returns when all are over; those whose
  // peers have not read to the end within the grace are broken off then.
  void EndAll(const absl::Status& status, absl::Duration grace) EPLB_EXCLUDES(mutex_);

  std::size_t size() const EPLB_EXCLUDES(mutex_);

 private:
  std::vector<std::shared_ptr<OpenStream>> Open() const EPLB_EXCLUDES(mutex_);

  mutable Mutex mutex_;
  ConditionVariable none_open_;
  absl::Status end_ EPLB_GUARDED_BY(mutex_);  // not OK: all are to end
  std::unordered_map<const OpenStream*, std::weak_ptr<OpenStream>> streams_ EPLB_GUARDED_BY(mutex_);
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_STREAM_REGISTRY_H_
