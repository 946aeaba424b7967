#include "tests/fuzz/message_mutator.h"

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <iterator>
#include <limits>
#include <string>

namespace eplb::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kMaxDepth = 8;
constexpr int kMaxEntries = 4096;  // of one field: adding entries ends here

std::int64_t AnyInteger(ByteSource& bytes) {
  constexpr std::int64_t kEdges[] = {0,
                                     1,
                                     -1,
                                     2,
                                     std::numeric_limits<std::int32_t>::max(),
                                     std::numeric_limits<std::int32_t>::min(),
                                     std::numeric_limits<std::int64_t>::max(),
                                     std::numeric_limits<std::int64_t>::min(),
                                     std::int64_t{1} << 36,
                                     (std::int64_t{1} << 53) + 1};
  if (bytes.Flag()) return bytes.Int(0, 300);
  return kEdges[bytes.Int(0, std::ssize(kEdges) - 1)];
}

double AnyReal(ByteSource& bytes) {
  constexpr double kEdges[] = {0.0,
                               -0.0,
                               1.0,
                               -1.0,
                               0.5,
                               0x1p53,
                               0x1.8p53,
                               std::numeric_limits<double>::max(),
                               std::numeric_limits<double>::denorm_min(),
                               std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN()};
  return kEdges[bytes.Int(0, std::ssize(kEdges) - 1)];
}

std::string AnyText(ByteSource& bytes) {
  return std::string(static_cast<std::size_t>(bytes.Flag() ? bytes.Int(0, 3) : bytes.Int(0, 1025)),
                     static_cast<char>(bytes.Byte()));
}

// Sets the field to a value, or entry `index` of it where index >= 0, or adds one where index is -1 and it is repeated.
void SetScalar(ByteSource& bytes, const FieldDescriptor& field, int index, Message& message) {
  const Reflection& of = *message.GetReflection();
  const auto put = [&](auto set, auto set_entry, auto add, const auto& value) {
    if (!field.is_repeated()) {
      (of.*set)(&message, &field, value);
    } else if (index >= 0) {
      (of.*set_entry)(&message, &field, index, value);
    } else {
      (of.*add)(&message, &field, value);
    }
  };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return put(&Reflection::SetInt32, &Reflection::SetRepeatedInt32, &Reflection::AddInt32,
                 static_cast<std::int32_t>(AnyInteger(bytes)));
    case FieldDescriptor::CPPTYPE_INT64:
      return put(&Reflection::SetInt64, &Reflection::SetRepeatedInt64, &Reflection::AddInt64, AnyInteger(bytes));
    case FieldDescriptor::CPPTYPE_UINT32:
      return put(&Reflection::SetUInt32, &Reflection::SetRepeatedUInt32, &Reflection::AddUInt32,
                 static_cast<std::uint32_t>(AnyInteger(bytes)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return put(&Reflection::SetUInt64, &Reflection::SetRepeatedUInt64, &Reflection::AddUInt64,
                 static_cast<std::uint64_t>(AnyInteger(bytes)));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return put(&Reflection::SetDouble, &Reflection::SetRepeatedDouble, &Reflection::AddDouble, AnyReal(bytes));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return put(&Reflection::SetFloat, &Reflection::SetRepeatedFloat, &Reflection::AddFloat,
                 static_cast<float>(AnyReal(bytes)));
    case FieldDescriptor::CPPTYPE_BOOL:
      return put(&Reflection::SetBool, &Reflection::SetRepeatedBool, &Reflection::AddBool, bytes.Flag());
    case FieldDescriptor::CPPTYPE_ENUM:
      return put(&Reflection::SetEnumValue, &Reflection::SetRepeatedEnumValue, &Reflection::AddEnumValue,
                 static_cast<int>(AnyInteger(bytes)));
    case FieldDescriptor::CPPTYPE_STRING:
      return put(&Reflection::SetString, &Reflection::SetRepeatedString, &Reflection::AddString, AnyText(bytes));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return;
  }
}

// The message that the field holds, made where there is none; null where it is a repeated field without entries.
Message* Inner(ByteSource& bytes, const FieldDescriptor& field, Message& message) {
  const Reflection& of = *message.GetReflection();
  if (!field.is_repeated()) return of.MutableMessage(&message, &field);
  const int size = of.FieldSize(message, &field);
  if (size == 0) return nullptr;
  return of.MutableRepeatedMessage(&message, &field, bytes.Int(0, size - 1));
}

void MutateEntries(ByteSource& bytes, const FieldDescriptor& field, Message& message) {
  const Reflection& of = *message.GetReflection();
  const int size = of.FieldSize(message, &field);
  const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  switch (bytes.Int(0, 3)) {
    case 0:
      if (size > 0) of.RemoveLast(&message, &field);
      break;
    case 1:
      if (size > 1) of.SwapElements(&message, &field, bytes.Int(0, size - 1), bytes.Int(0, size - 1));
      break;
    case 2:
      if (size >= kMaxEntries) break;
      if (!is_message) return SetScalar(bytes, field, -1, message);
      if (size == 0) {
        of.AddMessage(&message, &field);
      } else {
        const std::string copied = of.GetRepeatedMessage(message, &field, bytes.Int(0, size - 1)).SerializeAsString();
        of.AddMessage(&message, &field)->ParseFromString(copied);
      }
      break;
    default:
      if (!is_message && size > 0) SetScalar(bytes, field, bytes.Int(0, size - 1), message);
  }
}

void MutateAt(ByteSource& bytes, int depth, Message& message) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  if (type.field_count() == 0) return;
  const FieldDescriptor& field = *type.field(bytes.Int(0, type.field_count() - 1));
  if (bytes.Int(0, 15) == 0) return message.GetReflection()->ClearField(&message, &field);
  const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (is_message && depth < kMaxDepth && (!field.is_repeated() || bytes.Int(0, 3) > 0)) {
    if (Message* inner = Inner(bytes, field, message)) return MutateAt(bytes, depth + 1, *inner);
  }
  if (field.is_repeated()) return MutateEntries(bytes, field, message);
  if (!is_message) SetScalar(bytes, field, -1, message);
}

}  // namespace

void MutateMessage(ByteSource& bytes, Message& message) { MutateAt(bytes, 0, message); }

}  // namespace eplb::fuzz
