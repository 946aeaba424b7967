#include "server/config/document_reader.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace eplb {

DocumentReader::DocumentReader(std::string_view file_name, std::string_view content, Tokenizer::CommentStyle comments,
                               ConfigErrors& errors)
    : file_name_(file_name),
      errors_(errors),
      stream_(content.data(), static_cast<int>(content.size())),
      tokenizer_(&stream_, this) {
  tokenizer_.set_comment_style(comments);
  tokenizer_.Next();
}

DocumentPosition DocumentReader::position() {
  return {.line = tokenizer_.current().line + 1, .column = tokenizer_.current().column + 1};
}

bool DocumentReader::TryConsume(std::string_view symbol) {
  if (!LookingAt(symbol)) return false;
  Next();
  return true;
}

bool DocumentReader::Consume(std::string_view symbol) {
  return TryConsume(symbol) || Fail(absl::StrCat("expected \"", std::string(symbol), "\""));
}

bool DocumentReader::ReadList(int depth, bool (*read_item)(DocumentReader& reader, int depth, DocumentNode& item),
                              DocumentNode& list) {
  if (depth > kMaxDepth) return Fail("nested too deep");
  list.kind = DocumentNode::Kind::kList;
  if (!Consume("[")) return false;
  if (TryConsume("]")) return true;
  do {
    if (!read_item(*this, depth + 1, list.items.emplace_back())) return false;
  } while (TryConsume(","));
  return Consume("]");
}

bool DocumentReader::Fail(std::string_view rule) {
  const std::string found = at_end() ? "the end of the file" : absl::StrCat("\"", text().substr(0, 64), "\"");
  Report(position(), absl::StrCat(std::string(rule), ", found ", found));
  return false;
}

std::string DocumentReader::TakeString() {
  std::string value;
  Tokenizer::ParseStringAppend(text(), &value);
  Next();
  return value;
}

bool DocumentReader::TakeNumber(std::string& number) {
  number.clear();
  if (TryConsume("-")) number.push_back('-');
  if (!LookingAtType(Tokenizer::TYPE_INTEGER) && !LookingAtType(Tokenizer::TYPE_FLOAT)) {
    return Fail("expected a number");
  }
  number += text();
  Next();
  return true;
}

void DocumentReader::AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& message) {
  Report({.line = line + 1, .column = column + 1}, absl::StrCat("syntax: ", message));
}

void DocumentReader::Report(DocumentPosition position, std::string_view rule) {
  if (failed_) return;
  failed_ = true;
  errors_.Add(absl::StrCat(file_name_, ":", position.line, ":", position.column), "", rule);
}

DocumentFormat FormatOf(std::string_view file_name, std::string_view content) {
  if (file_name.ends_with(".json")) return DocumentFormat::kJson;
  for (const std::string_view ending : {".textproto", ".txtpb", ".pbtxt", ".prototext"}) {
    if (file_name.ends_with(ending)) return DocumentFormat::kTextproto;
  }
  const std::size_t first = content.find_first_not_of(" \t\r\n");
  const bool brace = first != std::string_view::npos && content[first] == '{';
  return brace ? DocumentFormat::kJson : DocumentFormat::kTextproto;
}

DocumentNode ParseDocument(std::string_view file_name, std::string_view content, DocumentFormat format,
                           ConfigErrors& errors) {
  using Tokenizer = DocumentReader::Tokenizer;
  const bool is_json = format == DocumentFormat::kJson;
  DocumentReader reader(file_name, content, is_json ? Tokenizer::CPP_COMMENT_STYLE : Tokenizer::SH_COMMENT_STYLE,
                        errors);
  DocumentNode root;
  root.kind = DocumentNode::Kind::kMessage;
  if (is_json) {
    ReadJson(reader, root);
  } else {
    ReadTextproto(reader, root);
  }
  return root;
}

}  // namespace eplb
