#ifndef EPLB_TESTS_SUPPORT_RECONNECT_STORM_H_
#define EPLB_TESTS_SUPPORT_RECONNECT_STORM_H_

#include <memory>
#include <string>
#include <vector>

#include "client/live/event_loop.h"
#include "client/live/fleet_worker.h"
#include "eplb/v1/eplb_service.grpc.pb.h"

namespace eplb {

struct StormOptions {
  int workers = 2000;
  int workers_per_deployment = 20;
  int workers_per_channel = 250;
  int layers = 4;
  int experts = 64;
  int slots_per_worker = 4;
};

// Workers of the client library, to be left alone by their server: how they come back is the library's doing.
class ReconnectStorm {
 public:
  // All workers are started; aborts where the address makes no sense.
  ReconnectStorm(const StormOptions& options, const std::string& address);
  ~ReconnectStorm();

  // Returns once the server has a live worker for every rank of every deployment.
  void WaitUntilAllAreBack();
  // Streams opened so far, over all workers.
  std::uint64_t Connects() const;

 private:
  class IdleEngine;

  bool AllAreBack();

  const StormOptions options_;
  EventLoop loop_;
  std::vector<std::unique_ptr<v1::EplbService::Stub>> stubs_;
  std::unique_ptr<v1::EplbService::Stub> onlooker_;
  std::vector<std::unique_ptr<IdleEngine>> engines_;
  std::vector<std::unique_ptr<FleetWorker>> workers_;
};

}  // namespace eplb

#endif  // EPLB_TESTS_SUPPORT_RECONNECT_STORM_H_
