#include "server/config/apply_document.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "server/config/schema.h"
#include "server/config/setting_value.h"

namespace eplb {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

class Applier {
 public:
  Applier(std::string_view file_name, ConfigErrors& errors) : file_name_(file_name), errors_(errors) {}

  // `path` ends with a dot unless it is empty.
  void ApplyEntries(const std::vector<DocumentEntry>& entries, const std::string& path, Message& message) {
    std::set<const FieldDescriptor*> seen;
    for (const DocumentEntry& entry : entries) {
      const FieldDescriptor* field = FindField(*message.GetDescriptor(), entry.key);
      if (field == nullptr) {
        ReportUnknown(entry, path, *message.GetDescriptor());
      } else if (!field->is_repeated() && !seen.insert(field).second) {
        Report(entry.position, path + entry.key, "given twice");
      } else {
        ApplyValue(entry.value, path + field->name(), *field, message);
      }
    }
  }

 private:
  // By its name in the schema, or by the lowerCamelCase one of JSON.
  static const FieldDescriptor* FindField(const Descriptor& type, const std::string& key) {
    const FieldDescriptor* field = type.FindFieldByName(key);
    return field != nullptr ? field : type.FindFieldByCamelcaseName(key);
  }

  void ApplyValue(const DocumentNode& node, const std::string& path, const FieldDescriptor& field, Message& message) {
    if (node.kind == DocumentNode::Kind::kNull) return;
    if (field.is_repeated()) {
      ApplyRepeated(node, path, field, message);
    } else if (IsDuration(field)) {
      ApplyDuration(node, path, field, message);
    } else if (field.message_type() != nullptr) {
      ApplySection(node, path, *message.GetReflection()->MutableMessage(&message, &field));
    } else if (node.kind != DocumentNode::Kind::kScalar) {
      Report(node.position, path, absl::StrCat("must be ", DescribeAccepted(field)));
    } else {
      ApplyText(node, node.text, path, field, message);
    }
  }

  void ApplyText(const DocumentNode& node, std::string_view text, const std::string& path, const FieldDescriptor& field,
                 Message& message) {
    const std::optional<std::string> broken = SetFromText(message, field, text);
    if (broken) errors_.Add(absl::StrCat(Where(node.position), ": ", path), text, *broken);
  }

  void ApplySection(const DocumentNode& node, const std::string& path, Message& section) {
    if (node.kind == DocumentNode::Kind::kMessage) {
      ApplyEntries(node.entries, path + ".", section);
    } else {
      Report(node.position, path, "must be a section of settings in braces");
    }
  }

  // A list of sections, or one more of them, as textproto writes it.
  void ApplyRepeated(const DocumentNode& node, const std::string& path, const FieldDescriptor& field,
                     Message& message) {
    if (node.kind == DocumentNode::Kind::kList) {
      for (const DocumentNode& item : node.items) {
        if (item.kind == DocumentNode::Kind::kList) {
          Report(item.position, path, "must be a section of settings in braces");
        } else {
          ApplyRepeated(item, path, field, message);
        }
      }
      return;
    }
    const int index = message.GetReflection()->FieldSize(message, &field);
    ApplySection(node, absl::StrCat(path, "[", index, "]"), *message.GetReflection()->AddMessage(&message, &field));
  }

  // "1.5s", or the message that textproto writes: { seconds: 1 nanos: 500000000 }.
  void ApplyDuration(const DocumentNode& node, const std::string& path, const FieldDescriptor& field,
                     Message& message) {
    std::string text = node.text;
    if (node.kind == DocumentNode::Kind::kMessage) {
      google::protobuf::Duration duration;
      const std::size_t errors_before = errors_.lines().size();
      ApplyEntries(node.entries, path + ".", duration);
      if (errors_.lines().size() != errors_before) return;
      text = absl::StrCat(duration.seconds(), "s", duration.nanos() < 0 ? "" : absl::StrCat(duration.nanos(), "ns"));
    }
    ApplyText(node, text, path, field, message);
  }

  void ReportUnknown(const DocumentEntry& entry, const std::string& path, const Descriptor& type) {
    std::vector<std::string> known;
    for (int i = 0; i < type.field_count(); ++i) known.push_back(type.field(i)->name());
    const std::string nearest = NearestName(entry.key, known);
    Report(
        entry.position, path + entry.key,
        nearest.empty() ? "unknown setting" : absl::StrCat("unknown setting; did you mean \"", path, nearest, "\"?"));
  }

  std::string Where(DocumentPosition position) const {
    return absl::StrCat(file_name_, ":", position.line, ":", position.column);
  }

  void Report(DocumentPosition position, const std::string& path, std::string_view rule) {
    errors_.Add(absl::StrCat(Where(position), ": ", path.substr(0, kMaxPathBytes)), "", rule);
  }

  static constexpr std::size_t kMaxPathBytes = 256;

  const std::string file_name_;
  ConfigErrors& errors_;
};

}  // namespace

void ApplyDocument(std::string_view file_name, const DocumentNode& document, Message& config, ConfigErrors& errors) {
  Applier(file_name, errors).ApplyEntries(document.entries, "", config);
}

}  // namespace eplb
