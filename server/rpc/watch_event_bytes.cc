#include "server/rpc/watch_event_bytes.h"

#include "eplb/v1/watch.pb.h"
#include "server/rpc/live_convert/watch_message.h"
#include "server/rpc/raw_message.h"

namespace eplb {
namespace {

grpc::ByteBuffer SerializeNow(const WatchEvent& event, const DeploymentSpec& spec) {
  v1::WatchPlacementsResponse message;
  WriteWatchEvent(event, spec, message);
  return SerializeMessage(message);
}

}  // namespace

grpc::ByteBuffer WatchEventBytes::Serialize(const WatchEvent& event, const DeploymentSpec& spec) {
  if (event.kind != WatchEvent::Kind::kUpdate) return SerializeNow(event, spec);
  MutexLock lock(mutex_);  // the first watcher serialises while the others wait for its bytes
  for (const Entry& entry : entries_) {
    if (entry.update.lock() == event.update) return entry.bytes;
  }
  entries_.push_back({.update = event.update, .bytes = SerializeNow(event, spec)});
  if (entries_.size() > kMaxEntries) entries_.pop_front();
  return entries_.back().bytes;
}

}  // namespace eplb
