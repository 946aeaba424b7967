#include "client/eplbctl/live/deployment_view.h"

#include <algorithm>
#include <cstdint>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "server/rpc/convert/duration_message.h"

namespace eplb {
namespace {

using Json = nlohmann::ordered_json;

Json VersionJson(const v1::PlacementVersion& version) {
  if (version.epoch() == 0 && version.revision() == 0) return nullptr;
  return {{"epoch", version.epoch()}, {"revision", version.revision()}};
}

Json TimeJson(bool is_set, const google::protobuf::Timestamp& time) {
  return is_set ? Json(TimeText(true, time)) : Json(nullptr);
}

// 0 stands for "not known yet".
Json FigureJson(double value) { return value > 0 ? Json(value) : Json(nullptr); }
std::string FigureText(double value) { return value > 0 ? Fixed(value, 3) : "-"; }

Json LayerJson(const v1::LayerPlacement& layer) {
  Json json = {{"model_layer", layer.model_layer()},
               {"physical_to_logical",
                std::vector<int>(layer.physical_to_logical().begin(), layer.physical_to_logical().end())}};
  if (layer.slot_shares_size() > 0) {
    json["slot_shares"] = std::vector<double>(layer.slot_shares().begin(), layer.slot_shares().end());
  }
  return json;
}

Json TransferJson(const v1::Transfer& transfer) {
  return {{"model_layer", transfer.model_layer()},
          {"expert", transfer.expert()},
          {"source_slot", transfer.source_slot()},
          {"target_slot", transfer.target_slot()},
          {"step", transfer.step()}};
}

// As the model has it: given for each GPU, or as equal as possible, the first GPUs holding one more.
int SlotsOn(const v1::Topology& topology, int gpu) {
  if (gpu < topology.slots_per_gpu_size()) return topology.slots_per_gpu(gpu);
  return topology.num_slots() / topology.num_gpus() + (gpu < topology.num_slots() % topology.num_gpus() ? 1 : 0);
}

Json ControlJson(const v1::DeploymentControl& control) {
  return {{"mode", ModeText(control)},
          {"excluded_gpus", std::vector<int>(control.excluded_gpus().begin(), control.excluded_gpus().end())},
          {"draining_gpus", std::vector<int>(control.draining_gpus().begin(), control.draining_gpus().end())},
          {"update_time", TimeJson(control.has_update_time(), control.update_time())},
          {"comment", control.comment()}};
}

}  // namespace

std::string VersionText(const v1::PlacementVersion& version) {
  if (version.epoch() == 0 && version.revision() == 0) return "-";
  return absl::StrCat(version.epoch(), "/", version.revision());
}

std::string TimeText(bool is_set, const google::protobuf::Timestamp& time) {
  if (!is_set) return "-";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", ReadTimestamp(time), absl::UTCTimeZone());
}

std::string EnumText(const std::string& name, const std::string& prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(name, prefix));
}

std::string ModeText(const v1::DeploymentControl& control) {
  return control.mode() == v1::DEPLOYMENT_MODE_PAUSED ? "paused" : "automatic";
}

std::string GpusText(const google::protobuf::RepeatedField<std::int32_t>& gpus) {
  return gpus.empty() ? "-" : absl::StrJoin(gpus, ",");
}

std::string ControlText(const v1::DeploymentControl& control) {
  std::string text = ModeText(control);
  if (!control.draining_gpus().empty()) absl::StrAppend(&text, ", draining GPUs ", GpusText(control.draining_gpus()));
  if (!control.excluded_gpus().empty()) absl::StrAppend(&text, ", excluded GPUs ", GpusText(control.excluded_gpus()));
  if (!control.comment().empty()) absl::StrAppend(&text, " (", control.comment(), ")");
  return text;
}

TextTable DeploymentTable(const std::vector<v1::Deployment>& deployments) {
  TextTable table({"deployment", "mode", "revision", "workers", "missing", "applied", "step time", "contiguous",
                   "balancedness", "fetches", "moved GB"});
  for (const v1::Deployment& deployment : deployments) {
    const bool better =
        deployment.live_step_time() > 0 && deployment.live_step_time() < deployment.contiguous_step_time();
    table.AddRow({deployment.deployment(), ModeText(deployment.control()),
                  absl::StrCat(deployment.version().revision()), absl::StrCat(deployment.live_workers()),
                  Cell(absl::StrCat(deployment.missing_ranks()),
                       deployment.missing_ranks() > 0 ? Emphasis::kBad : Emphasis::kNone),
                  absl::StrCat(deployment.applied_workers()),
                  Cell(FigureText(deployment.live_step_time()), better ? Emphasis::kGood : Emphasis::kNone),
                  FigureText(deployment.contiguous_step_time()), FigureText(deployment.live_balancedness()),
                  Grouped(deployment.fetches()), Fixed(static_cast<double>(deployment.fetched_bytes()) / 1e9, 2)});
  }
  return table;
}

Json DeploymentJson(const v1::Deployment& deployment) {
  return {{"deployment", deployment.deployment()},
          {"version", VersionJson(deployment.version())},
          {"control", ControlJson(deployment.control())},
          {"live_workers", deployment.live_workers()},
          {"missing_ranks", deployment.missing_ranks()},
          {"applied_workers", deployment.applied_workers()},
          {"live_balancedness", FigureJson(deployment.live_balancedness())},
          {"live_step_time", FigureJson(deployment.live_step_time())},
          {"contiguous_step_time", FigureJson(deployment.contiguous_step_time())},
          {"predicted_step_time", FigureJson(deployment.predicted_step_time())},
          {"last_plan_time", TimeJson(deployment.has_last_plan_time(), deployment.last_plan_time())},
          {"unchanged_reason",
           deployment.unchanged_reason() == v1::UNCHANGED_REASON_UNSPECIFIED
               ? Json(nullptr)
               : Json(EnumText(v1::UnchangedReason_Name(deployment.unchanged_reason()), "UNCHANGED_REASON_"))},
          {"last_error", deployment.last_error()},
          {"awaiting", deployment.awaiting()},
          {"last_report_time", TimeJson(deployment.has_last_report_time(), deployment.last_report_time())},
          {"fetches", deployment.fetches()},
          {"fetched_bytes", deployment.fetched_bytes()}};
}

Json EventJson(const std::string& time, const v1::WatchPlacementsResponse& event) {
  Json json = {{"time", time}};
  const v1::PlacementUpdate& update = event.placement();
  switch (event.event_case()) {
    case v1::WatchPlacementsResponse::kPlacement:
      json["event"] = "placement";
      json["version"] = VersionJson(event.version());
      json["base"] = update.has_base() ? VersionJson(update.base()) : Json(nullptr);
      json["on_commit"] = update.activation() == v1::ACTIVATION_ON_COMMIT;
      json["layers"] = Json::array();
      for (const v1::LayerPlacement& layer : update.layers()) json["layers"].push_back(LayerJson(layer));
      json["transfers"] = Json::array();
      for (const v1::Transfer& transfer : update.transfers()) json["transfers"].push_back(TransferJson(transfer));
      return json;
    case v1::WatchPlacementsResponse::kDraining:
      json["event"] = "draining";
      return json;
    case v1::WatchPlacementsResponse::kAbort:
      json["event"] = "abort";
      json["version"] = VersionJson(event.version());
      json["worker_id"] = event.abort().worker_id();
      json["detail"] = event.abort().detail();
      return json;
    case v1::WatchPlacementsResponse::kBookmark:
    case v1::WatchPlacementsResponse::kCommit:
      json["event"] = event.has_commit() ? "commit" : "bookmark";
      json["version"] = VersionJson(event.version());
      return json;
    case v1::WatchPlacementsResponse::EVENT_NOT_SET:
      break;
  }
  json["event"] = "unknown";
  return json;
}

std::string WhyUnplannable(const v1::GetPlacementResponse& response) {
  const v1::Topology& topology = response.spec().topology();
  const v1::DeploymentControl& control = response.deployment().control();
  std::set<int> out(control.excluded_gpus().begin(), control.excluded_gpus().end());
  out.insert(control.draining_gpus().begin(), control.draining_gpus().end());
  for (const v1::WorkerStatus& worker : response.workers()) {
    if (worker.liveness() != v1::WORKER_LIVENESS_EXCLUDED) continue;
    for (int rank = 0; rank < worker.num_ranks(); ++rank) out.insert(worker.first_rank() + rank);
  }
  std::int64_t slots = 0;
  for (int gpu = 0; gpu < topology.num_gpus(); ++gpu) {
    if (out.count(gpu) == 0) slots += SlotsOn(topology, gpu);
  }
  const std::int64_t replicas = std::max(1, response.spec().constraints().min_replicas());
  if (out.empty() || slots >= replicas * response.spec().num_experts()) return "";
  return absl::StrCat("GPUs ", absl::StrJoin(out, ","), " are excluded, draining or silent, which leaves ", slots,
                      " slots in each layer: too few for ", response.spec().num_experts(), " experts",
                      replicas > 1 ? absl::StrCat(" of ", replicas, " replicas each") : "");
}

Json WorkerJson(const v1::WorkerStatus& worker) {
  return {{"worker_id", worker.worker_id()},
          {"incarnation", worker.incarnation()},
          {"first_rank", worker.first_rank()},
          {"num_ranks", worker.num_ranks()},
          {"liveness", EnumText(v1::WorkerLiveness_Name(worker.liveness()), "WORKER_LIVENESS_")},
          {"watching", worker.watching()},
          {"applied", VersionJson(worker.applied())},
          {"version", VersionJson(worker.version())},
          {"state", EnumText(v1::PlacementState_Name(worker.state()), "PLACEMENT_STATE_")},
          {"rejection_reason",
           worker.rejection_reason() == v1::REJECTION_REASON_UNSPECIFIED
               ? Json(nullptr)
               : Json(EnumText(v1::RejectionReason_Name(worker.rejection_reason()), "REJECTION_REASON_"))},
          {"error_detail", worker.error_detail()},
          {"last_report_time", TimeJson(worker.has_last_report_time(), worker.last_report_time())},
          {"reports", worker.reports()},
          {"lost_reports", worker.lost_reports()},
          {"fetched_bytes", worker.fetched_bytes()},
          {"user_agent", worker.user_agent()}};
}

}  // namespace eplb
