// The configuration's schema is what flags, --help, defaults and validation are made from, so it is checked as data:
// each leaf says what it is for, can tell "not given" from zero, and has a default that it would itself accept.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "eplb/config/v1/config.pb.h"
#include "eplb/config/v1/setting.pb.h"

namespace eplb {
namespace {

using config::v1::Setting;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

struct Leaf {
  std::string path;
  const FieldDescriptor* field;
  Setting setting;
};

bool IsDuration(const FieldDescriptor& field) {
  return field.message_type() != nullptr && field.message_type()->full_name() == "google.protobuf.Duration";
}

// Every setting below `message`, in the order of the file; a repeated message is one leaf.
void CollectLeaves(const Descriptor& message, const std::string& prefix, std::vector<Leaf>& leaves) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string path = absl::StrCat(prefix, field.name());
    if (field.message_type() != nullptr && !IsDuration(field) && !field.is_repeated()) {
      CollectLeaves(*field.message_type(), path + ".", leaves);
    } else {
      leaves.push_back({path, &field, field.options().GetExtension(config::v1::setting)});
    }
  }
}

std::vector<Leaf> Leaves() {
  std::vector<Leaf> leaves;
  CollectLeaves(*config::v1::ServerConfig::descriptor(), "", leaves);
  return leaves;
}

// The default as a number (seconds for a duration); false where the field's type does not accept it.
bool ParseDefault(const Leaf& leaf, double& value) {
  const std::string& text = leaf.setting.default_value();
  if (IsDuration(*leaf.field)) {
    absl::Duration duration;
    const bool parsed = absl::ParseDuration(text, &duration);
    value = absl::ToDoubleSeconds(duration);
    return parsed;
  }
  if (leaf.field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) return absl::SimpleAtod(text, &value);
  int64_t whole = 0;
  const bool parsed = absl::SimpleAtoi(text, &whole);
  value = static_cast<double>(whole);
  return parsed;
}

bool IsNumber(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return true;
    default:
      return IsDuration(field);
  }
}

TEST(ConfigSchema, HasTheSettingsThatTheDesignAsksFor) {
  std::vector<std::string> paths;
  for (const Leaf& leaf : Leaves()) paths.push_back(leaf.path);
  EXPECT_THAT(paths, testing::IsSupersetOf({"grpc.listen_address", "health.listen_address", "metrics.listen_address",
                                            "tls.certificate_file", "limits.max_layers", "planner.threads",
                                            "telemetry.report_interval", "drain.timeout", "authorization.rules"}));
}

TEST(ConfigSchema, EveryLeafSaysWhatItIsFor) {
  for (const Leaf& leaf : Leaves()) {
    EXPECT_FALSE(leaf.setting.help().empty()) << leaf.path;
    EXPECT_EQ(leaf.setting.help().find('\n'), std::string::npos) << leaf.path;
  }
}

TEST(ConfigSchema, EveryLeafTellsNotGivenFromZero) {
  for (const Leaf& leaf : Leaves()) {
    EXPECT_TRUE(leaf.field->has_presence() || leaf.setting.file_only()) << leaf.path;
  }
}

TEST(ConfigSchema, EveryRepeatedLeafIsSetFromAFileOnly) {
  for (const Leaf& leaf : Leaves()) EXPECT_EQ(leaf.field->is_repeated(), leaf.setting.file_only()) << leaf.path;
}

TEST(ConfigSchema, EveryNumberHasADefaultWithinItsBounds) {
  for (const Leaf& leaf : Leaves()) {
    if (!IsNumber(*leaf.field) || leaf.field->is_repeated()) continue;
    double value = 0;
    ASSERT_TRUE(ParseDefault(leaf, value)) << leaf.path << ": " << leaf.setting.default_value();
    ASSERT_TRUE(leaf.setting.has_min()) << leaf.path << " has no least value";
    EXPECT_GE(value, leaf.setting.min()) << leaf.path;
    if (leaf.setting.has_max()) {
      EXPECT_LE(value, leaf.setting.max()) << leaf.path;
    }
  }
}

TEST(ConfigSchema, EveryBoolHasADefault) {
  for (const Leaf& leaf : Leaves()) {
    if (leaf.field->cpp_type() != FieldDescriptor::CPPTYPE_BOOL) continue;
    EXPECT_THAT(leaf.setting.default_value(), testing::AnyOf("true", "false")) << leaf.path;
  }
}

TEST(ConfigSchema, EveryEnumHasADefaultThatNamesOneOfItsValues) {
  for (const Leaf& leaf : Leaves()) {
    const auto* type = leaf.field->enum_type();
    if (type == nullptr) continue;
    std::string unspecified = type->FindValueByNumber(0)->name();
    const std::string prefix = unspecified.substr(0, unspecified.rfind("UNSPECIFIED"));
    const std::string name = prefix + absl::AsciiStrToUpper(leaf.setting.default_value());
    EXPECT_NE(type->FindValueByName(name), nullptr) << leaf.path << ": " << name;
  }
}

}  // namespace
}  // namespace eplb
