#include "server/log/log_field.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace eplb {
namespace {

constexpr std::size_t kMaxValueBytes = 1024;

std::string Quoted(std::string_view text) {
  std::string bounded(text.substr(0, kMaxValueBytes));
  if (text.size() > kMaxValueBytes) bounded += "...";
  return nlohmann::json(std::move(bounded)).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

// Needs no quotes to be one value for grep, awk and logfmt parsers.
bool IsPlain(std::string_view text) {
  constexpr std::string_view kPlainPunctuation = "._-:/@+,[]*";
  return !text.empty() && text.size() <= kMaxValueBytes && std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || kPlainPunctuation.find(c) != std::string_view::npos;
  });
}

std::string Number(std::int64_t value) { return absl::StrCat(value); }
std::string Number(bool value) { return value ? "true" : "false"; }
// JSON has no number that is not finite.
std::string Number(double value) { return std::isfinite(value) ? absl::StrCat(value) : "null"; }

}  // namespace

void LogField::AppendText(std::string& line) const {
  line.append(key_);
  line += '=';
  if (const auto* text = std::get_if<std::string_view>(&value_)) {
    line += IsPlain(*text) ? std::string(*text) : Quoted(*text);
    return;
  }
  AppendNumber(line);
}

void LogField::AppendJson(std::string& line) const {
  line += '"';
  line.append(key_);
  line += "\":";
  if (const auto* text = std::get_if<std::string_view>(&value_)) {
    line += Quoted(*text);
    return;
  }
  AppendNumber(line);
}

void LogField::AppendNumber(std::string& line) const {
  std::visit(
      [&line](auto value) {
        if constexpr (!std::is_same_v<decltype(value), std::string_view>) line += Number(value);
      },
      value_);
}

}  // namespace eplb
