#ifndef EPLB_CLIENT_FILES_BOUNDED_JSON_H_
#define EPLB_CLIENT_FILES_BOUNDED_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/status/statusor.h"

namespace eplb {

// What a JSON text may make a reader allocate.
struct JsonBounds {
  int max_depth = 8;
  std::int64_t max_values = 1 << 20;  // scalars, arrays, objects and keys
};

// Parses untrusted JSON: its depth and size are counted before a tree is built. INVALID_ARGUMENT with line and column,
// or naming the bound that is broken. Doubled keys are refused: readers differ in which one they take.
absl::StatusOr<nlohmann::json> ParseBoundedJson(std::string_view text, const JsonBounds& bounds);

// "null", "a boolean", "a number", "a string", "an array" or "an object", for error messages.
std::string_view JsonKind(const nlohmann::json& value);

}  // namespace eplb

#endif  // EPLB_CLIENT_FILES_BOUNDED_JSON_H_
