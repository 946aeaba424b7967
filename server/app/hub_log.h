#ifndef EPLB_SERVER_APP_HUB_LOG_H_
#define EPLB_SERVER_APP_HUB_LOG_H_

#include <memory>

#include "server/log/logger.h"
#include "server/planner/hub_observer.h"

namespace eplb {

// Logs what an operator may want to know of the live service, and hands all of it on to another observer. Thread-safe.
class HubLog final : public HubObserver {
 public:
  // Both must outlive it.
  HubLog(Logger& logger, HubObserver& next) : logger_(logger), next_(next) {}

  std::unique_ptr<DeploymentObserver> OnDeployment(const DeploymentSpec& spec) override;
  void OnDeployments(int count) override { next_.OnDeployments(count); }
  void OnQueue(int waiting) override { next_.OnQueue(waiting); }
  void OnReportInterval(absl::Duration interval) override;

 private:
  Logger& logger_;
  HubObserver& next_;
};

}  // namespace eplb

#endif  // EPLB_SERVER_APP_HUB_LOG_H_
