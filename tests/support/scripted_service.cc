#include "tests/support/scripted_service.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"
#include "server/rpc/status_details.h"

namespace eplb::testing {
namespace {

// Writes one message after the other, and then the end. Owned by gRPC until it is done, and by the service.
template <typename Base, typename Response>
class Stream : public Base {
 public:
  void Begin(std::shared_ptr<Stream> self) { self_ = std::move(self); }

  void Say(const Response& response) {
    std::lock_guard lock(mutex_);
    if (over_) return;
    queue_.push_back(response);
    Next();
  }

  void End(const absl::Status& status) {
    std::lock_guard lock(mutex_);
    if (!end_) end_ = status;
    Next();
  }

 private:
  void Next() {
    if (writing_ || over_) return;
    if (!queue_.empty()) {
      writing_ = true;
      this->StartWrite(&queue_.front());
    } else if (end_) {
      over_ = true;
      this->Finish(ToGrpcStatus(*end_));
    }
  }

  void OnWriteDone(bool /*ok*/) override {
    std::lock_guard lock(mutex_);
    writing_ = false;
    queue_.pop_front();
    Next();
  }
  void OnCancel() override { End(absl::CancelledError("the worker is gone")); }
  void OnDone() override { const std::shared_ptr<Stream> last = std::move(self_); }

  std::recursive_mutex mutex_;
  std::deque<Response> queue_;
  bool writing_ = false;
  bool over_ = false;
  std::optional<absl::Status> end_;
  std::shared_ptr<Stream> self_;
};

}  // namespace

class ScriptedService::Telemetry final
    : public Stream<grpc::ServerBidiReactor<v1::StreamTelemetryRequest, v1::StreamTelemetryResponse>,
                    v1::StreamTelemetryResponse>,
      public std::enable_shared_from_this<Telemetry> {
 public:
  explicit Telemetry(ScriptedService& service) : service_(service) {}
  void Read() { StartRead(&request_); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return End(absl::OkStatus());
    service_.OnRequest(shared_from_this(), request_);
    request_.Clear();
    StartRead(&request_);
  }

  ScriptedService& service_;
  v1::StreamTelemetryRequest request_;
};

class ScriptedService::Watch final
    : public Stream<grpc::ServerWriteReactor<v1::WatchPlacementsResponse>, v1::WatchPlacementsResponse> {};

ScriptedService::ScriptedService() {
  answer_.mutable_report_interval()->set_seconds(3600);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  EPLB_CHECK(server_ != nullptr && port_ != 0);
}

ScriptedService::~ScriptedService() {
  EndAll(absl::UnavailableError("the test is over"));
  server_->Shutdown();
  server_->Wait();
}

std::string ScriptedService::target() const { return absl::StrCat("127.0.0.1:", port_); }

void ScriptedService::Say(const v1::StreamTelemetryResponse& response) {
  std::lock_guard lock(mutex_);
  EPLB_CHECK(telemetry_ != nullptr);
  telemetry_->Say(response);
}

void ScriptedService::Say(const v1::WatchPlacementsResponse& event) {
  std::lock_guard lock(mutex_);
  EPLB_CHECK(watch_ != nullptr);
  watch_->Say(event);
}

void ScriptedService::EndTelemetry(const absl::Status& status) {
  std::lock_guard lock(mutex_);
  if (const auto stream = std::exchange(telemetry_, nullptr)) stream->End(status);
}

void ScriptedService::EndWatch(const absl::Status& status) {
  std::lock_guard lock(mutex_);
  if (const auto watch = std::exchange(watch_, nullptr)) watch->End(status);
}

void ScriptedService::EndAll(const absl::Status& status) {
  EndWatch(status);
  EndTelemetry(status);
}

void ScriptedService::Refuse(const absl::Status& status) {
  std::lock_guard lock(mutex_);
  refusals_.push_back(status);
}

void ScriptedService::SetAnswer(const v1::StreamTelemetryResponse& answer) {
  std::lock_guard lock(mutex_);
  answer_ = answer;
}

v1::TelemetryHello ScriptedService::WaitForHello(std::size_t number) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return hellos_.size() >= number; });
  return hellos_.back();
}

v1::WatchPlacementsRequest ScriptedService::WaitForWatch(std::size_t number) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return watches_.size() >= number; });
  return watches_.back();
}

v1::ReportPlacementStatusRequest ScriptedService::WaitForStatus(std::size_t number) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return statuses_.size() >= number; });
  return statuses_.back();
}

std::size_t ScriptedService::hellos() const {
  std::lock_guard lock(mutex_);
  return hellos_.size();
}

std::size_t ScriptedService::statuses() const {
  std::lock_guard lock(mutex_);
  return statuses_.size();
}

grpc::ServerBidiReactor<v1::StreamTelemetryRequest, v1::StreamTelemetryResponse>* ScriptedService::StreamTelemetry(
    grpc::CallbackServerContext* /*context*/) {
  const auto stream = std::make_shared<Telemetry>(*this);
  stream->Begin(stream);
  stream->Read();
  return stream.get();
}

void ScriptedService::OnRequest(const std::shared_ptr<Telemetry>& from, const v1::StreamTelemetryRequest& request) {
  std::lock_guard lock(mutex_);
  if (!request.has_hello()) return;
  hellos_.push_back(request.hello());
  if (!refusals_.empty()) {
    from->End(refusals_.front());
    refusals_.pop_front();
  } else {
    telemetry_ = from;
    from->Say(answer_);
  }
  changed_.notify_all();
}

grpc::ServerWriteReactor<v1::WatchPlacementsResponse>* ScriptedService::WatchPlacements(
    grpc::CallbackServerContext* /*context*/, const v1::WatchPlacementsRequest* request) {
  const auto watch = std::make_shared<Watch>();
  watch->Begin(watch);
  std::lock_guard lock(mutex_);
  watch_ = watch;
  watches_.push_back(*request);
  changed_.notify_all();
  return watch.get();
}

grpc::ServerUnaryReactor* ScriptedService::ReportPlacementStatus(grpc::CallbackServerContext* context,
                                                                 const v1::ReportPlacementStatusRequest* request,
                                                                 v1::ReportPlacementStatusResponse* /*response*/) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  {
    std::lock_guard lock(mutex_);
    statuses_.push_back(*request);
    changed_.notify_all();
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

}  // namespace eplb::testing
