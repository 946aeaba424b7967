#include "server/rpc/watch_stream.h"

#include <utility>

#include "absl/status/statusor.h"
#include "eplb/v1/watch.pb.h"
#include "server/base/status_macros.h"
#include "server/rpc/authorizer.h"
#include "server/rpc/live_convert/watch_message.h"
#include "server/rpc/raw_message.h"

namespace eplb {

WatchStream::Reactor* WatchStream::Start(grpc::CallbackServerContext* context, const grpc::ByteBuffer& request,
                                         LiveContext& live) {
  const std::shared_ptr<WatchStream> stream(new WatchStream(context, live));
  stream->Begin(stream);
  const absl::Status status = stream->Open(*context, request);
  if (status.ok()) {
    stream->Pump();
  } else {
    stream->End(status);
  }
  return stream.get();
}

absl::Status WatchStream::Open(const grpc::CallbackServerContext& context, const grpc::ByteBuffer& request) {
  EPLB_RETURN_IF_ERROR(CheckLive(live_));
  v1::WatchPlacementsRequest message;
  EPLB_RETURN_IF_ERROR(ParseMessage(request, message));
  const Role role = message.worker_id().empty() ? Role::kViewer : Role::kWorker;
  EPLB_RETURN_IF_ERROR(live_.authorizer.Check(IdentitiesOf(context.auth_context().get()), role, message.deployment()));
  EPLB_ASSIGN_OR_RETURN(const WatchRequest watch_request, ReadWatchRequest(message));
  EPLB_ASSIGN_OR_RETURN(owned_watch_, live_.hub->Watch(watch_request, shared_from_this()));
  watch_ = owned_watch_.get();
  return absl::OkStatus();
}

std::optional<grpc::ByteBuffer> WatchStream::NextMessage() {
  PlacementWatch* watch = watch_;
  if (watch == nullptr) return std::nullopt;
  const std::optional<WatchEvent> event = watch->NextEvent();
  if (!event) return std::nullopt;
  return live_.event_bytes.Serialize(*event, *watch->spec());
}

void WatchStream::OnOver(bool /*cancelled*/) {
  if (owned_watch_ == nullptr) return;
  owned_watch_->Close();
  watch_ = nullptr;
  owned_watch_.reset();
}

}  // namespace eplb
