#ifndef EPLB_SERVER_CONFIG_DOCUMENT_H_
#define EPLB_SERVER_CONFIG_DOCUMENT_H_

#include <string>
#include <string_view>
#include <vector>

#include "server/config/config_errors.h"

namespace eplb {

// A configuration file as it was written, before it is known what its keys mean: one shape for JSON and textproto,
// with the place of everything, so that every error can name its line and column. The libraries' own parsers stop at
// the first error.

struct DocumentPosition {
  int line = 1;
  int column = 1;
};

struct DocumentEntry;

struct DocumentNode {
  enum class Kind { kScalar, kMessage, kList, kNull };

  Kind kind = Kind::kNull;
  DocumentPosition position = {};
  std::string text;                    // kScalar: the value without quotes and escapes
  std::vector<DocumentEntry> entries;  // kMessage
  std::vector<DocumentNode> items;     // kList
};

struct DocumentEntry {
  std::string key;
  DocumentPosition position = {};
  DocumentNode value;
};

enum class DocumentFormat { kTextproto, kJson };

// By the file's name (.json; .textproto, .txtpb, .pbtxt, .prototext); else JSON when the first character is a brace.
DocumentFormat FormatOf(std::string_view file_name, std::string_view content);

// Reads a whole file: a node of kMessage. Text that is not well-formed is reported with the file's name and the
// place; what came before it is in the result. Nested at most 16 deep. JSON may hold // and /* */ comments.
DocumentNode ParseDocument(std::string_view file_name, std::string_view content, DocumentFormat format,
                           ConfigErrors& errors);

}  // namespace eplb

#endif  // EPLB_SERVER_CONFIG_DOCUMENT_H_
