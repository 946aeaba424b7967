#ifndef EPLB_CLIENT_EPLBCTL_LIVE_DEPLOYMENT_VIEW_H_
#define EPLB_CLIENT_EPLBCTL_LIVE_DEPLOYMENT_VIEW_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/eplbctl/text_table.h"
#include "eplb/v1/deployment.pb.h"
#include "eplb/v1/watch.pb.h"

namespace eplb {

// How messages of the live service read, to people and to programs.

// "epoch/revision"; "-" for the layout that the engine started with.
std::string VersionText(const v1::PlacementVersion& version);

// The time in UTC, as 2026-11-23T19:00:00Z; "-" where it is unset.
std::string TimeText(bool is_set, const google::protobuf::Timestamp& time);

// An enum's own word: "WORKER_LIVENESS_LIVE" without "WORKER_LIVENESS_" is "live".
std::string EnumText(const std::string& name, const std::string& prefix);

// "automatic" or "paused".
std::string ModeText(const v1::DeploymentControl& control);

// "3,17"; "-" for none.
std::string GpusText(const google::protobuf::RepeatedField<std::int32_t>& gpus);

// What is set, in one line.
std::string ControlText(const v1::DeploymentControl& control);

// One row for each deployment; rows are in the given order.
TextTable DeploymentTable(const std::vector<v1::Deployment>& deployments);

nlohmann::ordered_json DeploymentJson(const v1::Deployment& deployment);
// Why no placement is possible as the deployment stands: its usable GPUs have too few slots. Empty: one is.
std::string WhyUnplannable(const v1::GetPlacementResponse& response);

// One event of a watch: time, event, version; of a placement also base, activation, layers and transfers.
nlohmann::ordered_json EventJson(const std::string& time, const v1::WatchPlacementsResponse& event);
nlohmann::ordered_json WorkerJson(const v1::WorkerStatus& worker);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_LIVE_DEPLOYMENT_VIEW_H_
