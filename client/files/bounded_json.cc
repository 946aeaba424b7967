#include "client/files/bounded_json.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"

namespace eplb {
namespace {

using Json = nlohmann::json;

// Walks over a text without building anything; stops at the first broken bound.
class BoundsCheck final : public nlohmann::json_sax<Json> {
 public:
  BoundsCheck(std::string_view text, const JsonBounds& bounds) : text_(text), bounds_(bounds) {}

  const absl::Status& status() const { return status_; }

  bool null() override { return Count(); }
  bool boolean(bool) override { return Count(); }
  bool number_integer(number_integer_t) override { return Count(); }
  bool number_unsigned(number_unsigned_t) override { return Count(); }
  bool number_float(number_float_t, const string_t&) override { return Count(); }
  bool string(string_t&) override { return Count(); }
  bool binary(binary_t&) override { return Count(); }
  bool start_object(std::size_t) override {
    keys_.emplace_back();
    return Open();
  }
  bool start_array(std::size_t) override { return Open(); }
  bool end_array() override { return Close(); }
  bool end_object() override {
    keys_.pop_back();
    return Close();
  }
  bool key(string_t& name) override {
    if (!keys_.back().insert(name).second) return Refuse(absl::StrCat("key ", QuoteForError(name), " is given twice"));
    return Count();
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    const std::string_view before = text_.substr(0, std::min(position > 0 ? position - 1 : 0, text_.size()));
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const auto start = before.rfind('\n');
    const std::size_t column = before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
    return Refuse(absl::StrCat("line ", line, ", column ", column,
                               position > text_.size() ? ": the JSON ends too early" : ": is not valid JSON here"));
  }

 private:
  bool Refuse(const std::string& what) {
    status_ = absl::InvalidArgumentError(what);
    return false;
  }
  bool Count() {
    if (++values_ <= bounds_.max_values) return true;
    return Refuse(absl::StrCat("must hold at most ", bounds_.max_values, " values"));
  }
  bool Open() {
    if (++depth_ > bounds_.max_depth) return Refuse(absl::StrCat("must nest at most ", bounds_.max_depth, " deep"));
    return Count();
  }
  bool Close() {
    --depth_;
    return true;
  }

  std::string_view text_;
  JsonBounds bounds_;
  int depth_ = 0;
  std::int64_t values_ = 0;
  std::vector<std::set<std::string>> keys_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<Json> ParseBoundedJson(std::string_view text, const JsonBounds& bounds) {
  BoundsCheck check(text, bounds);
  Json::sax_parse(text, &check);
  EPLB_RETURN_IF_ERROR(check.status());
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string_view JsonKind(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return "a boolean";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::object:
      return "an object";
    default:
      return "a number";
  }
}

}  // namespace eplb
