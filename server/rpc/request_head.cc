#include "server/rpc/request_head.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "eplb/v1/rebalance.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "server/base/utf8.h"

namespace eplb {
namespace {

using google::protobuf::internal::WireFormatLite;
using v1::RebalanceRequest;

bool ReadText(google::protobuf::io::CodedInputStream& input, std::string& text) {
  std::uint32_t length = 0;
  return input.ReadVarint32(&length) && length <= static_cast<std::uint32_t>(INT32_MAX) &&
         input.ReadString(&text, static_cast<int>(length)) && IsUtf8(text);
}

bool ReadFlag(google::protobuf::io::CodedInputStream& input, bool& flag) {
  std::uint64_t value = 0;
  if (!input.ReadVarint64(&value)) return false;
  flag = value != 0;
  return true;
}

// Reads the field after its tag, or skips it.
bool ReadField(google::protobuf::io::CodedInputStream& input, std::uint32_t tag, RebalanceHead& head) {
  constexpr auto kText = WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
  constexpr auto kNumber = WireFormatLite::WIRETYPE_VARINT;
  switch (tag) {
    case WireFormatLite::MakeTag(RebalanceRequest::kDeploymentFieldNumber, kText):
      return ReadText(input, head.deployment);
    case WireFormatLite::MakeTag(RebalanceRequest::kRequestIdFieldNumber, kText):
      return ReadText(input, head.request_id);
    case WireFormatLite::MakeTag(RebalanceRequest::kValidateOnlyFieldNumber, kNumber):
      return ReadFlag(input, head.validate_only);
    case WireFormatLite::MakeTag(RebalanceRequest::kSamplesFieldNumber, kText):
      head.has_samples = true;
      return WireFormatLite::SkipField(&input, tag);
    default:
      return WireFormatLite::SkipField(&input, tag);
  }
}

bool ReadFields(google::protobuf::io::CodedInputStream& input, RebalanceHead& head) {
  while (const std::uint32_t tag = input.ReadTag()) {
    if (!ReadField(input, tag, head)) return false;
  }
  return input.ConsumedEntireMessage();
}

}  // namespace

absl::StatusOr<RebalanceHead> ReadRebalanceHead(const grpc::ByteBuffer& request) {
  RebalanceHead head;
  if (request.Length() == 0) return head;
  grpc::ByteBuffer copy(request);  // shares the bytes; the reader wants to own what it reads
  grpc::ProtoBufferReader reader(&copy);
  google::protobuf::io::CodedInputStream input(&reader);
  if (reader.status().ok() && ReadFields(input, head)) return head;
  return absl::InvalidArgumentError(
      absl::StrCat("the ", request.Length(), " bytes received are no valid eplb.v1.RebalanceRequest"));
}

}  // namespace eplb
