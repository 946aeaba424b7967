#ifndef EPLB_SERVER_RPC_CONVERT_GATE_MESSAGE_H_
#define EPLB_SERVER_RPC_CONVERT_GATE_MESSAGE_H_

#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "eplb/v1/plan_options.pb.h"
#include "server/base/field_errors.h"
#include "server/planner/plan_settings.h"

namespace eplb {

// One number of a message that is unset where it is 0. Adds to `errors` where it is not from 0 to `high`.
template <typename Number>
std::optional<Number> ReadNumber(FieldErrors& errors, std::string_view field, Number value, Number high) {
  if (!(value >= 0 && value <= high)) {
    errors.Add(field, absl::StrCat(value), absl::StrCat("must be from 0 to ", high));
    return std::nullopt;
  }
  if (value > 0) return value;
  return std::nullopt;
}

// When a plan is worth its transfers; reading sets only the gate's fields of the overrides. Adds what is wrong to
// `errors`, under "gate".
void ReadGate(const v1::GateOptions& message, PlanOverrides& overrides, FieldErrors& errors);

// States the gate's fields that the overrides have; the rest stay unset.
void WriteGate(const PlanOverrides& overrides, v1::GateOptions& message);

}  // namespace eplb

#endif  // EPLB_SERVER_RPC_CONVERT_GATE_MESSAGE_H_
