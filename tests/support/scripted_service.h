#ifndef EPLB_TESTS_SUPPORT_SCRIPTED_SERVICE_H_
#define EPLB_TESTS_SUPPORT_SCRIPTED_SERVICE_H_

#include <grpcpp/server.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eplb/v1/eplb_service.grpc.pb.h"

namespace eplb::testing {

// The live service for one worker, that says what the test tells it to and nothing else. Each hello is answered by
// `answer`, or refused with the next of Refuse. Waits end with the test's own time limit. Thread-safe.
class ScriptedService final : public v1::EplbService::CallbackService {
 public:
  ScriptedService();
  ~ScriptedService() override;
  std::string target() const;

  // What the service says next on the newest stream or watch.
  void Say(const v1::StreamTelemetryResponse& response);
  void Say(const v1::WatchPlacementsResponse& event);
  // Ends the newest ones. As a service that dies does: EndAll(absl::UnavailableError(...)).
  void EndTelemetry(const absl::Status& status);
  void EndWatch(const absl::Status& status);
  void EndAll(const absl::Status& status);
  // The next hello is answered so.
  void Refuse(const absl::Status& status);
  void SetAnswer(const v1::StreamTelemetryResponse& answer);

  // Waits until so many hellos (watches, status reports) have come since the start, and returns the last of them.
  v1::TelemetryHello WaitForHello(std::size_t number);
  v1::WatchPlacementsRequest WaitForWatch(std::size_t number);
  v1::ReportPlacementStatusRequest WaitForStatus(std::size_t number);
  std::size_t hellos() const;
  std::size_t statuses() const;

 private:
  class Telemetry;
  class Watch;

  grpc::ServerBidiReactor<v1::StreamTelemetryRequest, v1::StreamTelemetryResponse>* StreamTelemetry(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<v1::WatchPlacementsResponse>* WatchPlacements(
      grpc::CallbackServerContext* context, const v1::WatchPlacementsRequest* request) override;
  grpc::ServerUnaryReactor* ReportPlacementStatus(grpc::CallbackServerContext* context,
                                                  const v1::ReportPlacementStatusRequest* request,
                                                  v1::ReportPlacementStatusResponse* response) override;
  void OnRequest(const std::shared_ptr<Telemetry>& from, const v1::StreamTelemetryRequest& request);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  v1::StreamTelemetryResponse answer_;
  std::deque<absl::Status> refusals_;
  std::vector<v1::TelemetryHello> hellos_;
  std::vector<v1::WatchPlacementsRequest> watches_;
  std::vector<v1::ReportPlacementStatusRequest> statuses_;
  std::shared_ptr<Telemetry> telemetry_;
  std::shared_ptr<Watch> watch_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace eplb::testing

#endif  // EPLB_TESTS_SUPPORT_SCRIPTED_SERVICE_H_
