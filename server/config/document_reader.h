#ifndef EPLB_SERVER_CONFIG_DOCUMENT_READER_H_
#define EPLB_SERVER_CONFIG_DOCUMENT_READER_H_

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <string>
#include <string_view>

#include "server/config/config_errors.h"
#include "server/config/document.h"

namespace eplb {

// The tokens of one file, for the two grammars: what both need. Reads ahead by one token. After the first error
// `failed()` holds and nothing more is reported: what follows a syntax error is guesswork.
class DocumentReader : private google::protobuf::io::ErrorCollector {
 public:
  static constexpr int kMaxDepth = 16;

  using Tokenizer = google::protobuf::io::Tokenizer;

  // `content` must outlive the reader and be smaller than 2 GiB.
  DocumentReader(std::string_view file_name, std::string_view content, Tokenizer::CommentStyle comments,
                 ConfigErrors& errors);

  bool failed() const { return failed_; }
  const std::string& text() { return tokenizer_.current().text; }
  bool LookingAtType(Tokenizer::TokenType type) { return tokenizer_.current().type == type; }
  bool LookingAt(std::string_view symbol) { return LookingAtType(Tokenizer::TYPE_SYMBOL) && text() == symbol; }
  bool at_end() { return LookingAtType(Tokenizer::TYPE_END); }
  DocumentPosition position();

  void Next() { tokenizer_.Next(); }
  // Takes the symbol if it is there.
  bool TryConsume(std::string_view symbol);
  // Takes the symbol, or fails with "expected ...".
  bool Consume(std::string_view symbol);
  // Takes a list in square brackets, which the grammars have alike, at this depth of nesting; read_item takes one of
  // its values, a level deeper. False where anything failed.
  bool ReadList(int depth, bool (*read_item)(DocumentReader& reader, int depth, DocumentNode& item),
                DocumentNode& list);
  // Fails at the current token. Returns false, for the caller to hand on.
  bool Fail(std::string_view rule);
  // The string token without quotes and escapes.
  std::string TakeString();
  // An optional minus and a number, as text. Fails where there is none.
  bool TakeNumber(std::string& number);

 private:
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& message) override;
  void Report(DocumentPosition position, std::string_view rule);

  const std::string file_name_;
  ConfigErrors& errors_;
  bool failed_ = false;
  google::protobuf::io::ArrayInputStream stream_;
  Tokenizer tokenizer_;
};

// The two grammars. Both read to the end of the file.
void ReadTextproto(DocumentReader& reader, DocumentNode& root);
void ReadJson(DocumentReader& reader, DocumentNode& root);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_DOCUMENT_READER_H_
