#ifndef EPLB_SERVER_MODEL_TRANSFER_H_
#define EPLB_SERVER_MODEL_TRANSFER_H_

#include <cstdint>

namespace eplb {

// One expert's weights copied into one slot. Transfers with the same step are applied as one whole: all of them read
// what was in force before the step, and the placement after each whole step is valid. Steps are taken in order.
struct Transfer {
  int layer = 0;                 // ordinal of the layer, from 0
  std::int32_t expert = 0;       // logical expert that is copied
  std::int32_t source_slot = 0;  // a slot that holds it before the step; -1: none that can be read does
  std::int32_t target_slot = 0;  // the slot that holds it after the step
  std::int32_t step = 0;         // from 0, over the whole plan

  bool operator==(const Transfer&) const = default;
};

}  // namespace eplb

#endif  // EPLB_SERVER_MODEL_TRANSFER_H_
