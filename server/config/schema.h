#ifndef EPLB_SERVER_CONFIG_SCHEMA_H_
#define EPLB_SERVER_CONFIG_SCHEMA_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <string_view>
#include <vector>

#include "eplb/config/v1/setting.pb.h"

namespace eplb {

// One setting of ServerConfig: all that flags, files, --help and validation know of it comes from the schema.
struct ConfigLeaf {
  std::string path;                                             // "grpc.listen_address"
  std::vector<const google::protobuf::FieldDescriptor*> steps;  // from ServerConfig down to the setting's own field
  const config::v1::Setting* setting;                           // lives as long as the process

  const google::protobuf::FieldDescriptor& field() const { return *steps.back(); }
};

// All settings in the order of the schema. A repeated message is one setting.
const std::vector<ConfigLeaf>& ConfigLeaves();

// The setting at a path; null where there is none.
const ConfigLeaf* FindConfigLeaf(std::string_view path);

// The message that holds the leaf's field, made where it is missing.
google::protobuf::Message& MutableParent(google::protobuf::Message& config, const ConfigLeaf& leaf);

// A message of the schema that is a value, not a section.
bool IsDuration(const google::protobuf::FieldDescriptor& field);

// The candidate that `text` most likely means, by edit distance; empty where none is near.
std::string NearestName(std::string_view text, const std::vector<std::string>& candidates);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_SCHEMA_H_
