#include "client/live/stream_calls.h"

#include <utility>

#include "absl/time/clock.h"
#include "client/error_details.h"

namespace eplb {

// Lives from Start to OnDone, which gRPC calls last; everything it learns is posted to the loop.
class TelemetryCall::Reactor final
    : public grpc::ClientBidiReactor<v1::StreamTelemetryRequest, v1::StreamTelemetryResponse> {
 public:
  Reactor(v1::EplbService::Stub& stub, std::shared_ptr<TelemetryCall> call) : call_(std::move(call)) {
    stub.async()->StreamTelemetry(&context_, this);
    AddHold();  // until the loop says that it starts nothing more
    StartRead(&response_);
    StartCall();
  }

  void Write(v1::StreamTelemetryRequest request) {
    request_ = std::move(request);
    StartWrite(&request_);
  }
  void WriteDone() { StartWritesDone(); }
  void Cancel() { context_.TryCancel(); }
  // Nothing is started after this.
  void LetGo() { RemoveHold(); }

 private:
  void OnWriteDone(bool ok) override {
    call_->loop_.Post([call = call_, ok] {
      call->writing_ = false;
      if (!ok || call->reactor_ == nullptr) return;
      if (call->finish_wanted_) {
        call->reactor_->WriteDone();
      } else if (!call->cancelled_) {
        call->callbacks_.on_writable();
      }
    });
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      const bool posted = call_->loop_.Post([call = call_] {
        if (call->reactor_ != nullptr) std::exchange(call->reactor_, nullptr)->LetGo();
      });
      if (!posted) LetGo();
      return;
    }
    call_->loop_.Post([call = call_, response = std::move(response_)] {
      if (!call->cancelled_ && call->reactor_ != nullptr) call->callbacks_.on_response(response);
    });
    response_.Clear();
    StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    // On the loop, not here: with the last of its calls a channel goes, and it must not go on gRPC's own thread.
    const bool posted = call_->loop_.Post([this, call = call_, status] {
      delete this;
      call->callbacks_.on_end(StatusFromGrpc(status));
    });
    if (!posted) delete this;
  }

  const std::shared_ptr<TelemetryCall> call_;
  grpc::ClientContext context_;
  v1::StreamTelemetryRequest request_;
  v1::StreamTelemetryResponse response_;
};

std::shared_ptr<TelemetryCall> TelemetryCall::Start(v1::EplbService::Stub& stub, EventLoop& loop, Callbacks callbacks) {
  std::shared_ptr<TelemetryCall> call(new TelemetryCall(loop, std::move(callbacks)));
  call->reactor_ = new Reactor(stub, call);
  return call;
}

bool TelemetryCall::Send(v1::StreamTelemetryRequest request) {
  if (!writable()) return false;
  writing_ = true;
  reactor_->Write(std::move(request));
  return true;
}

void TelemetryCall::Finish() {
  if (finish_wanted_) return;
  finish_wanted_ = true;
  if (reactor_ != nullptr && !writing_) reactor_->WriteDone();
}

void TelemetryCall::Cancel() {
  cancelled_ = true;
  if (reactor_ != nullptr) reactor_->Cancel();
}

class WatchCall::Reactor final : public grpc::ClientReadReactor<v1::WatchPlacementsResponse> {
 public:
  Reactor(v1::EplbService::Stub& stub, v1::WatchPlacementsRequest request, std::shared_ptr<WatchCall> call)
      : call_(std::move(call)), request_(std::move(request)) {
    stub.async()->WatchPlacements(&context_, &request_, this);
    AddHold();  // between an event and the next read nothing else keeps the call
    StartRead(&response_);
    StartCall();
  }

  void Cancel() { context_.TryCancel(); }
  void ReadNext() {
    response_.Clear();
    StartRead(&response_);
  }
  void LetGo() { RemoveHold(); }

 private:
  void OnReadDone(bool ok) override {
    // The next event is read once this one was handled, so a slow worker holds the stream back, not its own memory.
    const bool posted =
        call_->loop_.Post([call = call_, ok, response = ok ? std::move(response_) : v1::WatchPlacementsResponse()] {
          if (call->reactor_ == nullptr) return;
          if (!ok) {
            std::exchange(call->reactor_, nullptr)->LetGo();
            return;
          }
          if (!call->cancelled_) call->callbacks_.on_event(response);
          call->paused_ = true;
          if (call->read_pause_ <= absl::ZeroDuration() || call->cancelled_) {
            call->ReadNext();
          } else {
            call->loop_.PostAfter(call->read_pause_, [call] { call->ReadNext(); });
          }
        });
    if (posted) return;
    Cancel();
    LetGo();
  }

  void OnDone(const grpc::Status& status) override {
    // On the loop, not here: with the last of its calls a channel goes, and it must not go on gRPC's own thread.
    const bool posted = call_->loop_.Post([this, call = call_, status] {
      delete this;
      call->callbacks_.on_end(StatusFromGrpc(status));
    });
    if (!posted) delete this;
  }

  const std::shared_ptr<WatchCall> call_;
  const v1::WatchPlacementsRequest request_;
  grpc::ClientContext context_;
  v1::WatchPlacementsResponse response_;
};

std::shared_ptr<WatchCall> WatchCall::Start(v1::EplbService::Stub& stub, EventLoop& loop,
                                            v1::WatchPlacementsRequest request, Callbacks callbacks,
                                            absl::Duration read_pause) {
  std::shared_ptr<WatchCall> call(new WatchCall(loop, std::move(callbacks), read_pause));
  call->reactor_ = new Reactor(stub, std::move(request), call);
  return call;
}

void WatchCall::ReadNext() {
  if (std::exchange(paused_, false) && reactor_ != nullptr) reactor_->ReadNext();
}

void WatchCall::Cancel() {
  cancelled_ = true;
  if (reactor_ == nullptr) return;
  reactor_->Cancel();
  ReadNext();  // only a read sees the end
}

void StartStatusReport(v1::EplbService::Stub& stub, EventLoop& loop, v1::ReportPlacementStatusRequest request,
                       absl::Duration deadline, std::function<void(const absl::Status&)> on_end) {
  struct Call {
    grpc::ClientContext context;
    v1::ReportPlacementStatusRequest request;
    v1::ReportPlacementStatusResponse response;
    std::function<void(const absl::Status&)> on_end;
  };
  auto call = std::make_shared<Call>();
  call->request = std::move(request);
  call->on_end = std::move(on_end);
  call->context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  stub.async()->ReportPlacementStatus(&call->context, &call->request, &call->response,
                                      [call, loop = loop.poster()](const grpc::Status& status) mutable {
                                        loop.Post([call = std::move(call), status]() mutable {
                                          const auto tell = std::move(call->on_end);
                                          call.reset();  // and the context with it
                                          tell(StatusFromGrpc(status));
                                        });
                                      });
}

}  // namespace eplb
