#ifndef EPLB_SERVER_MODEL_LIMITS_H_
#define EPLB_SERVER_MODEL_LIMITS_H_

#include <cstdint>

namespace eplb {

// The hard bounds of every model type: whoever builds one past them gets an error that names field, value and bound.
// A deployment of the service may set lower ones, never higher.
inline constexpr int kMaxLayers = 256;
inline constexpr int kMaxExperts = 4096;  // logical, per layer
inline constexpr int kMaxSlots = 65536;   // per layer
inline constexpr int kMaxGpus = 16384;
inline constexpr int kMaxSamples = 64;  // load samples in one plan
// Largest sum of the loads of one layer: every whole number up to it is a double, so sums are exact.
inline constexpr double kMaxLayerLoad = 9007199254740992.0;  // 2^53
// Largest weight of a sample: sums of weights stay far from overflow.
inline constexpr double kMaxSampleWeight = 9007199254740992.0;  // 2^53
// Largest weights of one expert in one layer, in bytes (256 GiB): what all slots of all layers hold fits 64 bits.
inline constexpr std::int64_t kMaxBytesPerExpert = std::int64_t{1} << 38;
// Relative speeds are within [1 / kMaxSpeedRatio, kMaxSpeedRatio].
inline constexpr double kMaxSpeedRatio = 1024.0;

}  // namespace eplb

#endif  // EPLB_SERVER_MODEL_LIMITS_H_
