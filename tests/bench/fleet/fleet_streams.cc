#include "tests/bench/fleet/fleet_streams.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "server/base/check.h"
#include "server/rpc/raw_message.h"
#include "tests/support/in_process_server.h"

namespace eplb {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr std::uint64_t kReportsPerAcknowledgement = 8;

// Version and kind; the event itself is left unread.
EventHead ReadHead(const grpc::ByteBuffer& bytes) {
  EventHead head{.version = {}, .arrival = absl::Now()};
  grpc::ProtoBufferReader reader(const_cast<grpc::ByteBuffer*>(&bytes));  // only reads
  google::protobuf::io::CodedInputStream input(&reader);
  std::uint32_t tag = input.ReadTag();
  if (WireFormatLite::GetTagFieldNumber(tag) == v1::WatchPlacementsResponse::kVersionFieldNumber) {
    std::uint32_t size = 0;
    std::string version;
    EPLB_CHECK(input.ReadVarint32(&size) && input.ReadString(&version, static_cast<int>(size)));
    EPLB_CHECK(head.version.ParseFromString(version));
    tag = input.ReadTag();
  }
  head.kind = static_cast<v1::WatchPlacementsResponse::EventCase>(WireFormatLite::GetTagFieldNumber(tag));
  return head;
}

}  // namespace

SharedChannels::SharedChannels(const std::string& address, int count) {
  for (int i = 0; i < count; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    const std::shared_ptr<grpc::Channel> channel = NewPlaintextChannel(address, arguments);
    stubs_.push_back(v1::EplbService::NewStub(channel));
    generics_.push_back(std::make_unique<grpc::GenericStub>(channel));
  }
}

void OpenCount::WaitForNone() const {
  while (open_ > 0) absl::SleepFor(absl::Milliseconds(5));
}

void LatencyLog::Add(absl::Duration duration) {
  MutexLock lock(mutex_);
  milliseconds_.push_back(absl::ToDoubleMilliseconds(duration));
}

double LatencyLog::Quantile(double p) const {
  MutexLock lock(mutex_);
  if (milliseconds_.empty()) return 0;
  std::vector<double> sorted = milliseconds_;
  std::sort(sorted.begin(), sorted.end());
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(p * last + 0.5)];
}

std::size_t LatencyLog::size() const {
  MutexLock lock(mutex_);
  return milliseconds_.size();
}

ReportStream::ReportStream(const BenchFleet& fleet, int worker, OpenCount& open, LatencyLog& acknowledgements,
                           std::function<void()> on_greeted)
    : fleet_(fleet),
      worker_(worker),
      open_(open),
      acknowledgements_(acknowledgements),
      on_greeted_(std::move(on_greeted)) {}

void ReportStream::Start(v1::EplbService::Stub& stub) {
  open_.Add();
  request_ = fleet_.Hello(worker_);
  stub.async()->StreamTelemetry(&context_, this);
  AddHold();  // reports come from another thread
  StartRead(&response_);
  StartWrite(&request_);
  StartCall();
}

bool ReportStream::Send(std::span<const double> rates) {
  if (writing_.exchange(true)) return false;
  v1::LoadReport& report = *request_.mutable_report();
  fleet_.FillReport(worker_, rates, report);
  const std::uint64_t sequence = sent_ + 1;
  report.set_sequence(sequence);
  if (sequence % kReportsPerAcknowledgement == 0) {
    timed_at_ = absl::ToUnixNanos(absl::Now());
    timed_sequence_ = sequence;
  }
  StartWrite(&request_);
  sent_ = sequence;
  return true;
}

void ReportStream::OnWriteDone(bool ok) {
  if (!ok) return;                   // OnReadDone sees the end
  if (sent_ == 0) request_.Clear();  // the hello is large
  writing_ = false;
}

void ReportStream::OnReadDone(bool ok) {
  if (!ok) {
    broken_ = true;
    writing_ = true;  // nothing is sent any more
    RemoveHold();
    return;
  }
  if (on_greeted_) std::exchange(on_greeted_, nullptr)();
  acknowledged_ = response_.acked_sequence();
  if (acknowledged_ == timed_sequence_ && acknowledged_ > 0) {
    acknowledgements_.Add(absl::Now() - absl::FromUnixNanos(timed_at_));
    timed_sequence_ = 0;
  }
  StartRead(&response_);
}

void ReportStream::OnDone(const grpc::Status& /*status*/) { open_.Done(); }

void EventStream::Start(grpc::GenericStub& stub, const v1::WatchPlacementsRequest& request) {
  open_.Add();
  request_ = SerializeMessage(request);
  stub.PrepareBidiStreamingCall(&context_, "/eplb.v1.EplbService/WatchPlacements", {}, this);
  StartRead(&response_);
  StartWriteLast(&request_, grpc::WriteOptions());
  StartCall();
}

void EventStream::OnReadDone(bool ok) {
  if (!ok) return;
  on_event_(ReadHead(response_), response_);
  StartRead(&response_);
}

v1::WatchPlacementsResponse ParseEvent(const grpc::ByteBuffer& bytes) {
  v1::WatchPlacementsResponse event;
  EPLB_CHECK(ParseMessage(bytes, event).ok());
  return event;
}

void TellStatus(v1::EplbService::Stub& stub, v1::ReportPlacementStatusRequest request, OpenCount& open) {
  struct Call {
    grpc::ClientContext context;
    v1::ReportPlacementStatusRequest request;
    v1::ReportPlacementStatusResponse response;
  };
  auto call = std::make_shared<Call>();
  call->request = std::move(request);
  open.Add();
  stub.async()->ReportPlacementStatus(&call->context, &call->request, &call->response,
                                      [call, &open](const grpc::Status& /*status*/) { open.Done(); });
}

}  // namespace eplb
