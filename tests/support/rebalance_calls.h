#ifndef EPLB_TESTS_SUPPORT_REBALANCE_CALLS_H_
#define EPLB_TESTS_SUPPORT_REBALANCE_CALLS_H_

#include <grpcpp/client_context.h>

#include <atomic>

#include "eplb/v1/eplb_service.grpc.pb.h"
#include "server/rpc/observer.h"

namespace eplb {

// What a call ended with.
struct Answer {
  grpc::Status status;
  v1::RebalanceResponse response;
};

inline Answer Call(v1::EplbService::Stub& stub, const v1::RebalanceRequest& request) {
  grpc::ClientContext context;
  Answer answer;
  answer.status = stub.Rebalance(&context, request, &answer.response);
  return answer;
}

// Counts what is planned.
class PlanCounter final : public RebalanceObserver {
 public:
  void OnPlanned(const RebalanceOutcome&) override { ++planned; }
  void OnShed() override { ++shed; }
  void OnDeduplicated() override { ++deduplicated; }

  std::atomic<int> planned = 0;
  std::atomic<int> shed = 0;
  std::atomic<int> deduplicated = 0;
};

}  // namespace eplb

#endif  // EPLB_TESTS_SUPPORT_REBALANCE_CALLS_H_
