#include "client/files/npy_header.h"

#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxDimensions = 8;
constexpr std::int64_t kMaxDimension = std::int64_t{1} << 40;

class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::int64_t offset) : text_(text), offset_(offset) {}

  absl::StatusOr<NpyHeader> Parse();

 private:
  absl::Status ErrorAt(std::size_t position, const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat("byte ", offset_ + static_cast<std::int64_t>(position), ": ", what));
  }
  void SkipBlanks() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }
  bool Accept(char c) {
    SkipBlanks();
    if (position_ >= text_.size() || text_[position_] != c) return false;
    ++position_;
    return true;
  }
  absl::Status Expect(char c) {
    if (Accept(c)) return absl::OkStatus();
    return ErrorAt(position_, absl::StrCat("expected ", std::string(1, c), " in the header"));
  }
  absl::StatusOr<std::string_view> String();
  absl::Status Entry();
  absl::Status Type();
  absl::Status FortranOrder();
  absl::Status Shape();

  std::string_view text_;
  std::int64_t offset_;
  std::size_t position_ = 0;
  NpyHeader header_;
  bool has_type_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

absl::StatusOr<std::string_view> HeaderParser::String() {
  SkipBlanks();
  const std::size_t start = position_;
  const char quote = start < text_.size() ? text_[start] : '\0';
  if (quote != '\'' && quote != '"') return ErrorAt(start, "expected a quoted string in the header");
  const auto end = text_.find(quote, start + 1);
  if (end == std::string_view::npos) return ErrorAt(start, "a quoted string in the header has no end");
  position_ = end + 1;
  return text_.substr(start + 1, end - start - 1);
}

absl::Status HeaderParser::Type() {
  const std::size_t start = position_;
  EPLB_ASSIGN_OR_RETURN(const std::string_view type, String());
  constexpr std::string_view kWidths = "1248";
  const bool known = type.size() == 3 && std::string_view("uif").find(type[1]) != std::string_view::npos &&
                     kWidths.find(type[2]) != std::string_view::npos && !(type[1] == 'f' && type[2] < '4') &&
                     (type[0] == '<' || type[0] == '>' || type[0] == '|');
  if (!known || (type[0] == '|' && type[2] != '1') || (type[0] == '>' && type[2] != '1')) {
    return ErrorAt(start, absl::StrCat("descr: ", QuoteForError(type),
                                       ": must be a little-endian u1, u2, u4, u8, i1, i2, i4, i8, f4 or f8"));
  }
  header_.kind = type[1];
  header_.width = type[2] - '0';
  return absl::OkStatus();
}

absl::Status HeaderParser::FortranOrder() {
  SkipBlanks();
  if (text_.substr(position_).starts_with("False")) {
    position_ += std::string_view("False").size();
    return absl::OkStatus();
  }
  return ErrorAt(position_, "fortran_order: must be False (save numpy.ascontiguousarray(a))");
}

absl::Status HeaderParser::Shape() {
  EPLB_RETURN_IF_ERROR(Expect('('));
  while (!Accept(')')) {
    SkipBlanks();
    std::int64_t value = 0;
    const char* begin = text_.data() + position_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc() || value < 0 || value > kMaxDimension) {
      return ErrorAt(position_, absl::StrCat("shape: must be whole numbers from 0 to ", kMaxDimension));
    }
    if (header_.shape.size() == kMaxDimensions) {
      return ErrorAt(position_, absl::StrCat("shape: must have at most ", kMaxDimensions, " dimensions"));
    }
    position_ += static_cast<std::size_t>(end - begin);
    header_.shape.push_back(value);
    if (Accept(',')) continue;
    EPLB_RETURN_IF_ERROR(Expect(')'));
    break;
  }
  return absl::OkStatus();
}

absl::Status HeaderParser::Entry() {
  SkipBlanks();
  const std::size_t start = position_;
  EPLB_ASSIGN_OR_RETURN(const std::string_view key, String());
  EPLB_RETURN_IF_ERROR(Expect(':'));
  const bool is_type = key == "descr";
  const bool is_order = key == "fortran_order";
  if (!is_type && !is_order && key != "shape") {
    return ErrorAt(start, absl::StrCat(QuoteForError(key), ": must be descr, fortran_order or shape"));
  }
  bool& seen = is_type ? has_type_ : is_order ? has_order_ : has_shape_;
  if (seen) return ErrorAt(start, absl::StrCat(QuoteForError(key), ": must be given once"));
  seen = true;
  return is_type ? Type() : is_order ? FortranOrder() : Shape();
}

absl::StatusOr<NpyHeader> HeaderParser::Parse() {
  EPLB_RETURN_IF_ERROR(Expect('{'));
  while (!Accept('}')) {
    EPLB_RETURN_IF_ERROR(Entry());
    if (Accept(',')) continue;
    EPLB_RETURN_IF_ERROR(Expect('}'));
    break;
  }
  SkipBlanks();
  if (position_ != text_.size()) return ErrorAt(position_, "unexpected text after the header");
  if (!has_type_ || !has_order_ || !has_shape_) {
    return ErrorAt(0, "the header must hold descr, fortran_order and shape");
  }
  return std::move(header_);
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(std::string_view text, std::int64_t offset) {
  return HeaderParser(text, offset).Parse();
}

std::string FormatNpyHeader(const NpyHeader& header) {
  const char order = header.width == 1 ? '|' : '<';
  return absl::StrCat("{'descr': '", std::string(1, order), std::string(1, header.kind), header.width,
                      "', 'fortran_order': False, 'shape': (", absl::StrJoin(header.shape, ", "),
                      header.shape.size() == 1 ? "," : "", "), }");
}

}  // namespace eplb
