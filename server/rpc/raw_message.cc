#include "server/rpc/raw_message.h"

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>
#include <grpcpp/support/slice.h>

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/check.h"

namespace eplb {
namespace {

constexpr std::size_t kArenaBlockBytes = 512 << 10;
constexpr int kWriterBlockBytes = 1 << 20;

// An arena that starts from a block of its own.
struct BlockArena {
  BlockArena() : block(std::make_unique<char[]>(kArenaBlockBytes)), arena(MakeOptions(block.get())) {}

  static google::protobuf::ArenaOptions MakeOptions(char* block) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block;
    options.initial_block_size = kArenaBlockBytes;
    return options;
  }

  std::unique_ptr<char[]> block;
  google::protobuf::Arena arena;
  bool lent = false;
};

BlockArena& OfThisThread() {
  thread_local BlockArena arena;
  return arena;
}

}  // namespace

absl::Status ParseMessage(const grpc::ByteBuffer& buffer, google::protobuf::MessageLite& message) {
  bool parsed = true;
  if (buffer.Length() > 0) {
    grpc::ProtoBufferReader reader(const_cast<grpc::ByteBuffer*>(&buffer));  // only reads
    parsed = reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
  }
  if (parsed) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the ", buffer.Length(), " bytes received are no valid ", message.GetTypeName()));
}

grpc::ByteBuffer SerializeMessage(const google::protobuf::MessageLite& message) {
  const std::size_t size = message.ByteSizeLong();
  grpc::ByteBuffer buffer;
  grpc::ProtoBufferWriter writer(&buffer, kWriterBlockBytes, static_cast<int>(size));
  EPLB_CHECK(message.SerializeToZeroCopyStream(&writer));
  return buffer;
}

std::string CopyBytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EPLB_CHECK(buffer.Dump(&slices).ok());
  std::string bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

ThreadArena::ThreadArena() : arena_(OfThisThread().arena) {
  EPLB_CHECK(!OfThisThread().lent);
  OfThisThread().lent = true;
}

ThreadArena::~ThreadArena() {
  arena_.Reset();
  OfThisThread().lent = false;
}

}  // namespace eplb
