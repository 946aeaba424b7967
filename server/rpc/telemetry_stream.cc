#include "server/rpc/telemetry_stream.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/rpc/raw_message.h"
#include "server/rpc/status_details.h"

namespace eplb {

TelemetryStream::Reactor* TelemetryStream::Start(grpc::CallbackServerContext* context, LiveContext& live) {
  const std::shared_ptr<TelemetryStream> stream(new TelemetryStream(context, live));
  stream->Begin(stream);
  const absl::Status status = CheckLive(live);
  if (!status.ok()) {
    stream->End(status);
  } else {
    stream->AwaitHello();
    stream->StartRead(&stream->read_);
  }
  return stream.get();
}

TelemetryStream::TelemetryStream(grpc::CallbackServerContext* context, LiveContext& live)
    : StreamCall(context, live.streams), live_(live), peer_(IdentitiesOf(context->auth_context().get())) {}

void TelemetryStream::AwaitHello() {
  hello_alarm_.Set(absl::ToChronoTime(absl::Now() + live_.hello_deadline), [weak = weak_from_this()](bool passed) {
    const std::shared_ptr<TelemetryStream> stream = weak.lock();
    if (!passed || stream == nullptr || stream->session_ != nullptr) return;
    stream->End(absl::DeadlineExceededError("no hello came in time"));
  });
}

void TelemetryStream::OnReadDone(bool ok) {
  if (!ok) {
    half_closed_ = true;
    End(absl::OkStatus());
    return;
  }
  const absl::Status status = Take(read_);
  read_.Clear();
  if (!status.ok()) End(status);
  if (!ended()) StartRead(&read_);
}

absl::Status TelemetryStream::Take(const grpc::ByteBuffer& bytes) {
  ThreadArena arena;
  auto& message = arena.Create<v1::StreamTelemetryRequest>();
  EPLB_RETURN_IF_ERROR(ParseMessage(bytes, message));
  switch (message.message_case()) {
    case v1::StreamTelemetryRequest::kReport:
      return TakeReport(message.report());
    case v1::StreamTelemetryRequest::kHello:
      return TakeHello(message.hello());
    case v1::StreamTelemetryRequest::MESSAGE_NOT_SET:
      break;
  }
  return FieldErrorStatus("message", "", "must be a hello or a report");
}

absl::Status TelemetryStream::TakeHello(const v1::TelemetryHello& message) {
  EPLB_RETURN_IF_ERROR(live_.authorizer.Check(peer_, Role::kWorker, message.spec().deployment()));
  EPLB_ASSIGN_OR_RETURN(const WorkerHello hello, ReadHello(message, live_.limits));
  if (owned_session_ != nullptr) {
    EPLB_RETURN_IF_ERROR(owned_session_->Hello(hello));
  } else {
    EPLB_ASSIGN_OR_RETURN(owned_session_, live_.hub->OpenWorker(hello, shared_from_this()));
    session_ = owned_session_.get();
    hello_alarm_.Cancel();
  }
  Pump();
  return absl::OkStatus();
}

absl::Status TelemetryStream::TakeReport(const v1::LoadReport& message) {
  if (owned_session_ == nullptr) return FieldErrorStatus("message", "a report", "the first must be a hello");
  EPLB_ASSIGN_OR_RETURN(const LoadReportView report, ReadReport(message));
  const absl::Status taken = owned_session_->Report(report).status();
  if (absl::IsResourceExhausted(taken)) return WithRetryDelay(taken, owned_session_->Directives().report_interval);
  EPLB_RETURN_IF_ERROR(taken);
  if (++unacknowledged_ < kReportsPerAcknowledgement) return absl::OkStatus();
  unacknowledged_ = 0;
  acknowledgement_due_ = true;
  Pump();
  return absl::OkStatus();
}

std::optional<grpc::ByteBuffer> TelemetryStream::NextMessage() {
  const TelemetrySession* session = session_;
  if (session == nullptr) return std::nullopt;
  const bool due = acknowledgement_due_.exchange(false);
  v1::StreamTelemetryResponse message;
  if (!directives_.Write(session->Directives(), message) && !due) return std::nullopt;
  return SerializeMessage(message);
}

void TelemetryStream::OnOver(bool cancelled) {
  if (owned_session_ == nullptr) return;
  owned_session_->Close(half_closed_ && !cancelled);
  session_ = nullptr;
  owned_session_.reset();
}

}  // namespace eplb
