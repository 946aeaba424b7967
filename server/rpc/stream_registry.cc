#include "server/rpc/stream_registry.h"

#include <vector>

namespace eplb {

void StreamRegistry::Add(const std::shared_ptr<OpenStream>& stream) {
  absl::Status end;
  {
    MutexLock lock(mutex_);
    streams_.emplace(stream.get(), stream);
    end = end_;
  }
  if (!end.ok()) stream->End(end);
}

void StreamRegistry::Remove(const OpenStream* stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
}

void StreamRegistry::EndAll(const absl::Status& status) {
  std::vector<std::shared_ptr<OpenStream>> open;
  {
    MutexLock lock(mutex_);
    end_ = status;
    for (const auto& [key, stream] : streams_) {
      if (std::shared_ptr<OpenStream> alive = stream.lock()) open.push_back(std::move(alive));
    }
  }
  for (const std::shared_ptr<OpenStream>& stream : open) stream->End(status);
}

std::size_t StreamRegistry::size() const {
  MutexLock lock(mutex_);
  return streams_.size();
}

}  // namespace eplb
