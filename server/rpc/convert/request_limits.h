#ifndef EPLB_SERVER_RPC_CONVERT_REQUEST_LIMITS_H_
#define EPLB_SERVER_RPC_CONVERT_REQUEST_LIMITS_H_

#include <algorithm>
#include <cstdint>

#include "server/model/limits.h"

namespace eplb {

// Bounds on what one request may ask for. What is past the hard bounds of the model types is cut to them.
struct RequestLimits {
  int max_layers = kMaxLayers;
  int max_experts = kMaxExperts;  // logical, of a layer
  int max_slots = kMaxSlots;      // of a layer
  int max_gpus = kMaxGpus;
  int max_samples = kMaxSamples;
  // Moves evaluated per layer; four times the most that any shape gets by default (DefaultWorkLimit).
  std::int64_t max_work = 10'000'000;
  std::int64_t max_answer_bytes = 0;  // 0: no bound; a server's is the largest message that it sends

  // The same, none above the model's bounds.
  RequestLimits WithinModelBounds() const {
    return {.max_layers = std::min(max_layers, kMaxLayers),
            .max_experts = std::min(max_experts, kMaxExperts),
            .max_slots = std::min(max_slots, kMaxSlots),
            .max_gpus = std::min(max_gpus, kMaxGpus),
            .max_samples = std::min(max_samples, kMaxSamples),
            .max_work = max_work,
            .max_answer_bytes = max_answer_bytes};
  }
};

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_REQUEST_LIMITS_H_
