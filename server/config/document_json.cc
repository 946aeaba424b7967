// JSON, RFC 8259, in protocol buffers' mapping: keys are field names in either spelling.
#include "server/config/document_reader.h"

namespace eplb {
namespace {

using Tokenizer = DocumentReader::Tokenizer;

bool ReadValue(DocumentReader& reader, int depth, DocumentNode& node);

bool LookingAtString(DocumentReader& reader) {
  return reader.LookingAtType(Tokenizer::TYPE_STRING) && reader.text().starts_with('"');
}

bool ReadMember(DocumentReader& reader, int depth, DocumentEntry& entry) {
  entry.position = reader.position();
  entry.key = reader.TakeString();
  return reader.Consume(":") && ReadValue(reader, depth + 1, entry.value);
}

bool ReadObject(DocumentReader& reader, int depth, DocumentNode& node) {
  if (depth > DocumentReader::kMaxDepth) return reader.Fail("nested too deep");
  node.kind = DocumentNode::Kind::kMessage;
  if (!reader.Consume("{")) return false;
  if (reader.TryConsume("}")) return true;
  do {
    if (!LookingAtString(reader)) return reader.Fail("expected a key in double quotes");
    if (!ReadMember(reader, depth, node.entries.emplace_back())) return false;
  } while (reader.TryConsume(","));
  return reader.Consume("}");
}

bool ReadWord(DocumentReader& reader, DocumentNode& node) {
  if (reader.text() != "true" && reader.text() != "false" && reader.text() != "null") {
    return reader.Fail("expected a value");
  }
  node.kind = reader.text() == "null" ? DocumentNode::Kind::kNull : DocumentNode::Kind::kScalar;
  node.text = reader.text();
  reader.Next();
  return true;
}

bool ReadValue(DocumentReader& reader, int depth, DocumentNode& node) {
  node.position = reader.position();
  if (reader.LookingAt("{")) return ReadObject(reader, depth, node);
  if (reader.LookingAt("[")) return reader.ReadList(depth, ReadValue, node);
  if (reader.LookingAtType(Tokenizer::TYPE_IDENTIFIER)) return ReadWord(reader, node);
  if (LookingAtString(reader)) {
    node.text = reader.TakeString();
  } else if (!reader.TakeNumber(node.text)) {
    return false;
  }
  node.kind = DocumentNode::Kind::kScalar;
  return true;
}

}  // namespace

void ReadJson(DocumentReader& reader, DocumentNode& root) {
  if (!reader.LookingAt("{")) {
    reader.Fail("expected \"{\"");
    return;
  }
  if (ReadValue(reader, 0, root) && !reader.at_end()) reader.Fail("expected the end of the file");
}

}  // namespace eplb
