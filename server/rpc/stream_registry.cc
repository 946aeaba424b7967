#include "server/rpc/stream_registry.h"

#include <utility>

#include "server/base/clock.h"

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
  if (streams_.empty()) none_open_.NotifyAll();
}

void StreamRegistry::EndAll(const absl::Status& status, absl::Duration grace) {
  {
    MutexLock lock(mutex_);
    end_ = status;
  }
  for (const std::shared_ptr<OpenStream>& stream : Open()) stream->End(status);
  {
    const absl::Duration start = RealClock().Monotonic();
    MutexLock lock(mutex_);
    while (!streams_.empty()) {
      const absl::Duration left = grace - (RealClock().Monotonic() - start);
      if (left <= absl::ZeroDuration()) break;
      none_open_.WaitFor(mutex_, absl::ToChronoNanoseconds(left));
    }
  }
  for (const std::shared_ptr<OpenStream>& stream : Open()) stream->BreakOff();
}

std::vector<std::shared_ptr<OpenStream>> StreamRegistry::Open() const {
  std::vector<std::shared_ptr<OpenStream>> open;
  MutexLock lock(mutex_);
  for (const auto& [key, stream] : streams_) {
    if (std::shared_ptr<OpenStream> alive = stream.lock()) open.push_back(std::move(alive));
  }
  return open;
}

std::size_t StreamRegistry::size() const {
  MutexLock lock(mutex_);
  return streams_.size();
}

}  // namespace eplb
