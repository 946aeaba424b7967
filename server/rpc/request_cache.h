#ifndef EPLB_SERVER_RPC_REQUEST_CACHE_H_
#define EPLB_SERVER_RPC_REQUEST_CACHE_H_

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "server/rpc/pending_call.h"

namespace eplb {

// Tells equal requests from others.
struct RequestFingerprint {
  std::size_t hash = 0;
  std::size_t bytes = 0;

  bool operator==(const RequestFingerprint&) const = default;
};
RequestFingerprint FingerprintOf(const grpc::ByteBuffer& request);

// Calls that get one answer together. Made by RequestCache, which guards it.
struct SharedAnswer {
  std::string request_id;  // empty: the call of one caller alone
  RequestFingerprint fingerprint;
  std::vector<std::shared_ptr<PendingCall>> waiting;
  bool done = false;
  grpc::ByteBuffer answer;  // once done
  absl::Duration expiry;    // once done; on the monotonic clock
};

struct RequestCacheOptions {
  absl::Duration retention = absl::Minutes(2);  // 0: no answer is kept
  std::size_t max_entries = 4096;               // answers kept, and requests that wait for theirs
  std::size_t max_answer_bytes = 64 << 20;      // of all answers kept; a larger one is not
};

// First answers by request id, for retries and for the equal calls of every rank: they wait for one plan, and those
// that come later get its bytes again. Errors are not kept. Past its bounds the oldest answers go first; where all are
// still waited for, a further request is planned by itself. Thread-safe.
class RequestCache {
 public:
  // The clock must outlive the cache.
  RequestCache(RequestCacheOptions options, const Clock& clock) : options_(options), clock_(clock) {}

  // Who answers a call: the caller of Join, which then owes Complete or Abandon, where the answer is returned; else
  // somebody else, now or later (null). INVALID_ARGUMENT where the id was used for another request. An empty id is
  // never equal to another.
  absl::StatusOr<std::shared_ptr<SharedAnswer>> Join(std::string_view request_id, const grpc::ByteBuffer& request,
                                                     std::shared_ptr<PendingCall> call) EPLB_EXCLUDES(mutex_);

  // Answers all who wait.
  void Complete(const std::shared_ptr<SharedAnswer>& shared, const absl::StatusOr<grpc::ByteBuffer>& answer)
      EPLB_EXCLUDES(mutex_);

  // Forgets an answer that nobody waits for any more; false where somebody does.
  bool AbandonIfUnwanted(const std::shared_ptr<SharedAnswer>& shared) EPLB_EXCLUDES(mutex_);

  // Whether nobody waits for it now. Somebody may still come to until it is abandoned.
  bool IsUnwanted(const SharedAnswer& shared) EPLB_EXCLUDES(mutex_);

 private:
  // Drops answers, oldest first: those that are over, and more while any bound is passed.
  void Evict(std::size_t max_entries) EPLB_REQUIRES(mutex_);
  void Keep(const std::shared_ptr<SharedAnswer>& shared, const grpc::ByteBuffer& answer) EPLB_REQUIRES(mutex_);

  const RequestCacheOptions options_;
  const Clock& clock_;
  Mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<SharedAnswer>> answers_ EPLB_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<SharedAnswer>> done_ EPLB_GUARDED_BY(mutex_);  // oldest first
  std::size_t answer_bytes_ EPLB_GUARDED_BY(mutex_) = 0;                    // of done_
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_REQUEST_CACHE_H_
