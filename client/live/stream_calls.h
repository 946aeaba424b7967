#ifndef EPLB_CLIENT_LIVE_STREAM_CALLS_H_
#define EPLB_CLIENT_LIVE_STREAM_CALLS_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "client/live/event_loop.h"
#include "eplb/v1/eplb_service.grpc.pb.h"

namespace eplb {

// One telemetry stream. Its methods are called, and its callbacks run, on the loop's thread alone; the callbacks hold
// their owner weakly. After Cancel no callback comes but on_end, which comes exactly once.
class TelemetryCall : public std::enable_shared_from_this<TelemetryCall> {
 public:
  struct Callbacks {
    std::function<void(const v1::StreamTelemetryResponse&)> on_response;
    std::function<void()> on_writable;  // a written request is off; another may be sent
    std::function<void(const absl::Status&)> on_end;
  };

  // After the end of the loop no callback comes.
  static std::shared_ptr<TelemetryCall> Start(v1::EplbService::Stub& stub, EventLoop& loop, Callbacks callbacks);

  // False, without taking the request, while another one is being written.
  bool Send(v1::StreamTelemetryRequest request);
  bool writable() const { return !writing_ && !finish_wanted_ && !cancelled_ && reactor_ != nullptr; }
  // Ends the stream cleanly, which says goodbye to the service.
  void Finish();
  // Breaks the stream off: the service waits for the worker to come back.
  void Cancel();

 private:
  class Reactor;

  TelemetryCall(const EventLoop& loop, Callbacks callbacks) : loop_(loop.poster()), callbacks_(std::move(callbacks)) {}

  const EventLoop::Poster loop_;
  Callbacks callbacks_;
  Reactor* reactor_ = nullptr;  // deletes itself; null once ended
  bool writing_ = false;
  bool finish_wanted_ = false;
  bool cancelled_ = false;
};

// One placement watch, under the same rules. The next event is read once the former one was handled, and read_pause has
// passed.
class WatchCall : public std::enable_shared_from_this<WatchCall> {
 public:
  struct Callbacks {
    std::function<void(const v1::WatchPlacementsResponse&)> on_event;
    std::function<void(const absl::Status&)> on_end;
  };

  static std::shared_ptr<WatchCall> Start(v1::EplbService::Stub& stub, EventLoop& loop,
                                          v1::WatchPlacementsRequest request, Callbacks callbacks,
                                          absl::Duration read_pause = absl::ZeroDuration());

  void Cancel();

 private:
  class Reactor;

  WatchCall(const EventLoop& loop, Callbacks callbacks, absl::Duration read_pause)
      : loop_(loop.poster()), callbacks_(std::move(callbacks)), read_pause_(read_pause) {}
  void ReadNext();

  const EventLoop::Poster loop_;
  Callbacks callbacks_;
  const absl::Duration read_pause_;
  Reactor* reactor_ = nullptr;
  bool paused_ = false;  // an event was handled, the next one is not read yet
  bool cancelled_ = false;
};

// Reports a status; on_end runs on the loop's thread, exactly once.
void StartStatusReport(v1::EplbService::Stub& stub, EventLoop& loop, v1::ReportPlacementStatusRequest request,
                       absl::Duration deadline, std::function<void(const absl::Status&)> on_end);

}  // namespace eplb

#endif  // EPLB_CLIENT_LIVE_STREAM_CALLS_H_
