#include "server/rpc/request_cache.h"

#include <gmock/gmock.h>
#include <grpcpp/support/slice.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "server/rpc/raw_message.h"
#include "tests/support/fake_clock.h"

namespace eplb {
namespace {

grpc::ByteBuffer Bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

// A call that remembers its answer.
class FakeCall final : public PendingCall {
 public:
  void Finish(const absl::StatusOr<grpc::ByteBuffer>& answer) override {
    if (!finished_) answer_ = answer;
    finished_ = true;
  }
  bool finished() const override { return finished_ || cancelled; }
  absl::Time deadline() const override { return absl::InfiniteFuture(); }

  // "" where there is none, or an error.
  std::string text() const { return answer_ && answer_->ok() ? CopyBytes(**answer_) : ""; }
  absl::StatusCode code() const { return answer_ ? answer_->status().code() : absl::StatusCode::kUnknown; }

  bool cancelled = false;

 private:
  bool finished_ = false;
  std::optional<absl::StatusOr<grpc::ByteBuffer>> answer_;
};

class RequestCacheTest : public ::testing::Test {
 protected:
  using Shared = std::shared_ptr<SharedAnswer>;

  // Null where another call answers it.
  static Shared Join(RequestCache& cache, const std::string& id, const std::shared_ptr<FakeCall>& call) {
    const absl::StatusOr<Shared> shared = cache.Join(id, Bytes("request of " + id), call);
    EXPECT_TRUE(shared.ok()) << shared.status();
    return *shared;
  }
  // Joins, and plans where that is up to this call.
  static void Ask(RequestCache& cache, const std::string& id, const std::string& answer) {
    const auto call = std::make_shared<FakeCall>();
    const Shared shared = Join(cache, id, call);
    ASSERT_NE(shared, nullptr) << id;
    cache.Complete(shared, Bytes(answer));
    EXPECT_EQ(call->text(), answer);
  }
  // What an equal request gets without a plan; nullopt where it has to be planned.
  static std::optional<std::string> Kept(RequestCache& cache, const std::string& id) {
    const auto call = std::make_shared<FakeCall>();
    const Shared shared = Join(cache, id, call);
    if (shared == nullptr) return call->text();
    call->cancelled = true;
    EXPECT_TRUE(cache.AbandonIfUnwanted(shared));
    return std::nullopt;
  }

  testing::FakeClock clock_;
};

TEST_F(RequestCacheTest, KeepsAnAnswerForItsRetention) {
  RequestCache cache({.retention = absl::Seconds(60)}, clock_);
  Ask(cache, "a", "first");
  clock_.Advance(absl::Seconds(59));
  EXPECT_EQ(Kept(cache, "a"), "first");
  clock_.Advance(absl::Seconds(1));
  EXPECT_EQ(Kept(cache, "a"), std::nullopt);
}

TEST_F(RequestCacheTest, KeepsAsManyAsItsCapacityAndThenDropsTheOldest) {
  RequestCache cache({.max_entries = 3}, clock_);
  for (const char* id : {"a", "b", "c"}) Ask(cache, id, id);
  for (const char* id : {"a", "b", "c"}) EXPECT_EQ(Kept(cache, id), id) << "asking evicts nothing";
  Ask(cache, "d", "d");
  for (const char* id : {"b", "c", "d"}) EXPECT_EQ(Kept(cache, id), id);
  EXPECT_EQ(Kept(cache, "a"), std::nullopt);
}

TEST_F(RequestCacheTest, KeepsAsManyBytesAsItMay) {
  RequestCache cache({.max_answer_bytes = 10}, clock_);
  Ask(cache, "a", "1234");
  Ask(cache, "b", "123456");
  EXPECT_EQ(Kept(cache, "a"), "1234");
  Ask(cache, "c", "1");
  EXPECT_EQ(Kept(cache, "a"), std::nullopt);
  EXPECT_EQ(Kept(cache, "b"), "123456");
  Ask(cache, "huge", "12345678901");
  EXPECT_EQ(Kept(cache, "huge"), std::nullopt) << "larger than all there is room for";
  EXPECT_EQ(Kept(cache, "b"), "123456") << "and pushes nothing out";
}

TEST_F(RequestCacheTest, WhereAllAreWaitedForAFurtherRequestIsPlannedByItself) {
  RequestCache cache({.max_entries = 2}, clock_);
  const auto first = std::make_shared<FakeCall>();
  const auto second = std::make_shared<FakeCall>();
  const Shared a = Join(cache, "a", first);
  const Shared b = Join(cache, "b", second);
  Ask(cache, "c", "alone");
  EXPECT_EQ(Kept(cache, "c"), std::nullopt) << "no room to keep it";
  const auto equal = std::make_shared<FakeCall>();
  EXPECT_EQ(Join(cache, "a", equal), nullptr) << "those that are waited for stay joined";
  cache.Complete(a, Bytes("of a"));
  cache.Complete(b, Bytes("of b"));
  EXPECT_EQ(first->text(), "of a");
  EXPECT_EQ(equal->text(), "of a");
  EXPECT_EQ(second->text(), "of b");
}

TEST_F(RequestCacheTest, ErrorsAreToldToAllAndNotKept) {
  RequestCache cache({}, clock_);
  const auto first = std::make_shared<FakeCall>();
  const auto equal = std::make_shared<FakeCall>();
  const Shared shared = Join(cache, "a", first);
  EXPECT_EQ(Join(cache, "a", equal), nullptr);
  cache.Complete(shared, absl::ResourceExhaustedError("busy"));
  EXPECT_EQ(first->code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(equal->code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Kept(cache, "a"), std::nullopt);
}

TEST_F(RequestCacheTest, IsUnwantedOnceNobodyWaits) {
  RequestCache cache({}, clock_);
  const auto first = std::make_shared<FakeCall>();
  const auto equal = std::make_shared<FakeCall>();
  const Shared shared = Join(cache, "a", first);
  EXPECT_EQ(Join(cache, "a", equal), nullptr);
  first->cancelled = true;
  EXPECT_FALSE(cache.IsUnwanted(*shared));
  EXPECT_FALSE(cache.AbandonIfUnwanted(shared));
  equal->cancelled = true;
  EXPECT_TRUE(cache.IsUnwanted(*shared));
  EXPECT_TRUE(cache.AbandonIfUnwanted(shared));
  EXPECT_EQ(equal->code(), absl::StatusCode::kCancelled);
}

TEST_F(RequestCacheTest, AnIdIsForOneRequest) {
  RequestCache cache({}, clock_);
  Ask(cache, "a", "first");
  const absl::Status status = cache.Join("a", Bytes("another"), std::make_shared<FakeCall>()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace eplb
