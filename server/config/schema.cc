#include "server/config/schema.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "eplb/config/v1/config.pb.h"

namespace eplb {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Longer than any name of ours: bounds the work on hostile text.
constexpr std::size_t kMaxNameBytes = 128;

void CollectLeaves(const Descriptor& message, const ConfigLeaf& parent, std::vector<ConfigLeaf>& leaves) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor* field = message.field(i);
    ConfigLeaf leaf = parent;
    absl::StrAppend(&leaf.path, leaf.path.empty() ? "" : ".", field->name());
    leaf.steps.push_back(field);
    const bool is_section = field->message_type() != nullptr && !field->is_repeated() && !IsDuration(*field);
    if (is_section) {
      CollectLeaves(*field->message_type(), leaf, leaves);
    } else {
      leaf.setting = &field->options().GetExtension(config::v1::setting);
      leaves.push_back(std::move(leaf));
    }
  }
}

// Levenshtein distance.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

}  // namespace

bool IsDuration(const FieldDescriptor& field) {
  return field.message_type() != nullptr && field.message_type()->full_name() == "google.protobuf.Duration";
}

const std::vector<ConfigLeaf>& ConfigLeaves() {
  static const std::vector<ConfigLeaf>* const leaves = [] {
    auto* collected = new std::vector<ConfigLeaf>;
    CollectLeaves(*config::v1::ServerConfig::descriptor(), ConfigLeaf{}, *collected);
    return collected;
  }();
  return *leaves;
}

const ConfigLeaf* FindConfigLeaf(std::string_view path) {
  const std::vector<ConfigLeaf>& leaves = ConfigLeaves();
  const auto found = std::find_if(leaves.begin(), leaves.end(), [&](const ConfigLeaf& l) { return l.path == path; });
  return found == leaves.end() ? nullptr : &*found;
}

Message& MutableParent(Message& config, const ConfigLeaf& leaf) {
  Message* parent = &config;
  for (std::size_t i = 0; i + 1 < leaf.steps.size(); ++i) {
    parent = parent->GetReflection()->MutableMessage(parent, leaf.steps[i]);
  }
  return *parent;
}

std::string NearestName(std::string_view text, const std::vector<std::string>& candidates) {
  if (text.size() > kMaxNameBytes) return "";
  std::string nearest;
  std::size_t nearest_distance = std::max<std::size_t>(2, text.size() / 4) + 1;  // further is no likeness
  for (const std::string& candidate : candidates) {
    // The last part alone is often given for the whole path.
    const bool is_end = candidate.size() > text.size() && candidate.ends_with(text) &&
                        candidate[candidate.size() - text.size() - 1] == '.';
    const std::size_t distance = is_end ? 1 : EditDistance(text, candidate);
    if (distance < nearest_distance) {
      nearest = candidate;
      nearest_distance = distance;
    }
  }
  return nearest;
}

}  // namespace eplb
