#include "server/rpc/request_cache.h"

#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "server/base/field_errors.h"
#include "server/rpc/raw_message.h"
#include "server/rpc/status_details.h"
#include "server/rpc/unary_call.h"

namespace eplb {
namespace {

bool NobodyWaits(const SharedAnswer& shared) {
  return std::ranges::all_of(shared.waiting, [](const auto& call) { return call->finished(); });
}

}  // namespace

RequestFingerprint FingerprintOf(const grpc::ByteBuffer& request) {
  return {.hash = absl::HashOf(CopyBytes(request)), .bytes = request.Length()};
}

absl::StatusOr<std::shared_ptr<SharedAnswer>> RequestCache::Join(std::string_view request_id,
                                                                 const grpc::ByteBuffer& request,
                                                                 std::shared_ptr<PendingCall> call) {
  auto shared = std::make_shared<SharedAnswer>();
  shared->waiting.push_back(call);
  if (request_id.empty() || options_.retention <= absl::ZeroDuration()) return shared;
  shared->request_id = request_id;
  shared->fingerprint = FingerprintOf(request);
  std::shared_ptr<SharedAnswer> earlier;
  {
    MutexLock lock(mutex_);
    Evict(options_.max_entries);
    const auto found = answers_.find(shared->request_id);
    if (found == answers_.end()) {
      if (options_.max_entries > 0) Evict(options_.max_entries - 1);
      if (answers_.size() >= options_.max_entries) shared->request_id.clear();
      if (!shared->request_id.empty()) answers_.emplace(shared->request_id, shared);
      return shared;
    }
    earlier = found->second;
    if (earlier->fingerprint != shared->fingerprint) {
      return WithReason(FieldErrorStatus("request_id", request_id, "was used for a different request before"),
                        "REQUEST_ID_REUSED");
    }
    if (!earlier->done) {
      earlier->waiting.push_back(std::move(call));
      return std::shared_ptr<SharedAnswer>();
    }
  }
  call->Finish(earlier->answer);  // no longer changes
  return std::shared_ptr<SharedAnswer>();
}

void RequestCache::Complete(const std::shared_ptr<SharedAnswer>& shared,
                            const absl::StatusOr<grpc::ByteBuffer>& answer) {
  std::vector<std::shared_ptr<PendingCall>> waiting;
  {
    MutexLock lock(mutex_);
    waiting.swap(shared->waiting);
    if (!shared->request_id.empty()) {
      if (answer.ok()) {
        Keep(shared, *answer);
      } else {
        answers_.erase(shared->request_id);
      }
    }
  }
  for (const std::shared_ptr<PendingCall>& call : waiting) call->Finish(answer);
}

bool RequestCache::AbandonIfUnwanted(const std::shared_ptr<SharedAnswer>& shared) {
  std::vector<std::shared_ptr<PendingCall>> waiting;
  {
    MutexLock lock(mutex_);
    if (!NobodyWaits(*shared)) return false;
    waiting.swap(shared->waiting);
    if (!shared->request_id.empty()) answers_.erase(shared->request_id);
  }
  for (const std::shared_ptr<PendingCall>& call : waiting) call->Finish(GivenUpStatus(call->deadline()));
  return true;
}

bool RequestCache::IsUnwanted(const SharedAnswer& shared) {
  MutexLock lock(mutex_);
  return NobodyWaits(shared);
}

void RequestCache::Keep(const std::shared_ptr<SharedAnswer>& shared, const grpc::ByteBuffer& answer) {
  if (answer.Length() > options_.max_answer_bytes) {
    answers_.erase(shared->request_id);
    return;
  }
  shared->answer = answer;
  shared->done = true;
  shared->expiry = clock_.Monotonic() + options_.retention;
  answer_bytes_ += answer.Length();
  done_.push_back(shared);
  Evict(options_.max_entries);
}

void RequestCache::Evict(std::size_t max_entries) {
  const absl::Duration now = clock_.Monotonic();
  while (!done_.empty()) {
    const bool is_over =
        done_.front()->expiry <= now || answer_bytes_ > options_.max_answer_bytes || answers_.size() > max_entries;
    if (!is_over) return;
    answer_bytes_ -= done_.front()->answer.Length();
    answers_.erase(done_.front()->request_id);
    done_.pop_front();
  }
}

}  // namespace eplb
