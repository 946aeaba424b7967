#include "server/rpc/live_convert/version_message.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace eplb {

PlacementVersion ReadVersion(const v1::PlacementVersion& message, std::string_view field, FieldErrors& errors) {
  const auto check = [&](std::string_view name, std::int64_t value) {
    if (value >= 0 && value <= PlacementVersion::kMax) return;
    errors.Add(absl::StrCat(std::string(field), ".", std::string(name)), absl::StrCat(value),
               absl::StrCat("must be from 0 to ", PlacementVersion::kMax));
  };
  check("epoch", message.epoch());
  check("revision", message.revision());
  return {.epoch = message.epoch(), .revision = message.revision()};
}

void WriteVersion(const PlacementVersion& version, v1::PlacementVersion& message) {
  message.set_epoch(version.epoch);
  message.set_revision(version.revision);
}

}  // namespace eplb
