// The text format of protocol buffers, https://protobuf.dev/reference/protobuf/textformat-spec, without extensions,
// Any and the deprecated <> delimiters, which no configuration needs.
#include "server/config/document_reader.h"

namespace eplb {
namespace {

using Tokenizer = DocumentReader::Tokenizer;

bool ReadFields(DocumentReader& reader, int depth, std::vector<DocumentEntry>& entries);
bool ReadValue(DocumentReader& reader, int depth, DocumentNode& node);

bool ReadMessage(DocumentReader& reader, int depth, DocumentNode& node) {
  if (depth > DocumentReader::kMaxDepth) return reader.Fail("nested too deep");
  node.kind = DocumentNode::Kind::kMessage;
  return reader.Consume("{") && ReadFields(reader, depth, node.entries) && reader.Consume("}");
}

bool ReadScalar(DocumentReader& reader, DocumentNode& node) {
  if (reader.LookingAtType(Tokenizer::TYPE_IDENTIFIER)) {
    node.text = reader.text();
    reader.Next();
  } else if (reader.LookingAtType(Tokenizer::TYPE_STRING)) {
    while (reader.LookingAtType(Tokenizer::TYPE_STRING)) node.text += reader.TakeString();  // adjacent ones are one
  } else if (!reader.TakeNumber(node.text)) {
    return false;
  }
  node.kind = DocumentNode::Kind::kScalar;
  return true;
}

bool ReadValue(DocumentReader& reader, int depth, DocumentNode& node) {
  node.position = reader.position();
  if (reader.LookingAt("{")) return ReadMessage(reader, depth, node);
  if (reader.LookingAt("[")) return reader.ReadList(depth, ReadValue, node);
  return ReadScalar(reader, node);
}

bool ReadField(DocumentReader& reader, int depth, DocumentEntry& entry) {
  entry.position = reader.position();
  entry.key = reader.text();
  reader.Next();
  const bool has_colon = reader.TryConsume(":");
  if (!has_colon && !reader.LookingAt("{")) return reader.Fail("expected \":\" or \"{\"");
  if (!ReadValue(reader, depth + 1, entry.value)) return false;
  if (!reader.TryConsume(";")) reader.TryConsume(",");
  return true;
}

bool ReadFields(DocumentReader& reader, int depth, std::vector<DocumentEntry>& entries) {
  while (!reader.failed() && !reader.at_end() && !reader.LookingAt("}")) {
    if (!reader.LookingAtType(Tokenizer::TYPE_IDENTIFIER)) return reader.Fail("expected the name of a setting");
    if (!ReadField(reader, depth, entries.emplace_back())) return false;
  }
  return !reader.failed();
}

}  // namespace

void ReadTextproto(DocumentReader& reader, DocumentNode& root) {
  if (ReadFields(reader, 0, root.entries) && !reader.at_end()) reader.Fail("expected the name of a setting");
}

}  // namespace eplb
