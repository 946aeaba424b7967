#ifndef EPLB_TESTS_BENCH_FLEET_FLEET_STREAMS_H_
#define EPLB_TESTS_BENCH_FLEET_FLEET_STREAMS_H_

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/base/mutex.h"
#include "server/base/thread_annotations.h"
#include "tests/bench/fleet/bench_fleet.h"

namespace eplb {

// Connections that many streams share, each a TCP connection of its own.
class SharedChannels {
 public:
  SharedChannels(const std::string& address, int count);

  v1::EplbService::Stub& stub(int i) { return *stubs_[static_cast<std::size_t>(i) % stubs_.size()]; }
  grpc::GenericStub& generic(int i) { return *generics_[static_cast<std::size_t>(i) % generics_.size()]; }

 private:
  std::vector<std::unique_ptr<v1::EplbService::Stub>> stubs_;
  std::vector<std::unique_ptr<grpc::GenericStub>> generics_;
};

// Counts streams that are open, and waits until they are not. Thread-safe.
class OpenCount {
 public:
  void Add() { ++open_; }
  void Done() { --open_; }
  void WaitForNone() const;

 private:
  std::atomic<int> open_{0};
};

// Durations of one kind. Thread-safe.
class LatencyLog {
 public:
  void Add(absl::Duration duration) EPLB_EXCLUDES(mutex_);
  // The p-th part of all, in milliseconds; 0 where there is none.
  double Quantile(double p) const EPLB_EXCLUDES(mutex_);
  std::size_t size() const EPLB_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::vector<double> milliseconds_ EPLB_GUARDED_BY(mutex_);
};

// A worker's telemetry stream: a hello, then reports when told to. Reports are made and sent by one thread.
class ReportStream final : public grpc::ClientBidiReactor<v1::StreamTelemetryRequest, v1::StreamTelemetryResponse> {
 public:
  // All must outlive the stream. on_greeted is called once, when the hello is answered.
  ReportStream(const BenchFleet& fleet, int worker, OpenCount& open, LatencyLog& acknowledgements,
               std::function<void()> on_greeted);

  void Start(v1::EplbService::Stub& stub);
  // False, and nothing is sent, while the message before is still on its way out.
  bool Send(std::span<const double> rates);
  void Cancel() { context_.TryCancel(); }

  std::uint64_t sent() const { return sent_; }
  std::uint64_t acknowledged() const { return acknowledged_; }
  // The stream ended before it was cancelled.
  bool broken() const { return broken_; }

 private:
  void OnWriteDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  const BenchFleet& fleet_;
  const int worker_;
  OpenCount& open_;
  LatencyLog& acknowledgements_;
  std::function<void()> on_greeted_;
  grpc::ClientContext context_;
  v1::StreamTelemetryRequest request_;
  v1::StreamTelemetryResponse response_;
  std::atomic<bool> writing_{true};  // the hello
  std::atomic<std::uint64_t> sent_{0};
  std::atomic<std::uint64_t> acknowledged_{0};
  std::atomic<bool> broken_{false};
  // Of the newest report that brings an acknowledgement.
  std::atomic<std::uint64_t> timed_sequence_{0};
  std::atomic<std::int64_t> timed_at_{0};
};

// One event of a watch, as far as it was read.
struct EventHead {
  v1::PlacementVersion version;
  v1::WatchPlacementsResponse::EventCase kind = v1::WatchPlacementsResponse::EVENT_NOT_SET;
  absl::Time arrival;
};

// A worker's watch. Events come as bytes, of which only the head is read: most of a thousand equal ones need no more.
class EventStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // on_event is called on gRPC's threads, one event at a time; the bytes are of a WatchPlacementsResponse.
  using OnEvent = std::function<void(const EventHead& head, const grpc::ByteBuffer& bytes)>;

  EventStream(OpenCount& open, OnEvent on_event) : open_(open), on_event_(std::move(on_event)) {}

  void Start(grpc::GenericStub& stub, const v1::WatchPlacementsRequest& request);
  void Cancel() { context_.TryCancel(); }

 private:
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& /*status*/) override { open_.Done(); }

  OpenCount& open_;
  const OnEvent on_event_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

v1::WatchPlacementsResponse ParseEvent(const grpc::ByteBuffer& bytes);

// Tells a status and forgets about it; `open` counts it while it is on its way.
void TellStatus(v1::EplbService::Stub& stub, v1::ReportPlacementStatusRequest request, OpenCount& open);

}  // namespace eplb

#endif  // EPLB_TESTS_BENCH_FLEET_FLEET_STREAMS_H_
