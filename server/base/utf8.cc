#include "server/base/utf8.h"

#include <algorithm>
#include <cstdint>

namespace eplb {
namespace {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;  // 0: malformed
};

// The length that the lead byte promises; 0 for a byte that cannot lead.
std::size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

CodePoint Decode(std::string_view text) {
  static constexpr std::uint32_t kLeastOfLength[] = {0, 0, 0x80, 0x800, 0x10000};
  const std::size_t length = SequenceLength(static_cast<unsigned char>(text[0]));
  if (length == 0 || length > text.size()) return {};
  if (length == 1) return {static_cast<unsigned char>(text[0]), 1};
  std::uint32_t value = static_cast<unsigned char>(text[0]) & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0U) != 0x80U) return {};
    value = (value << 6) | (byte & 0x3fU);
  }
  const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kLeastOfLength[length] || value > 0x10ffff || is_surrogate) return {};
  return {value, length};
}

bool IsControl(std::uint32_t value) { return value < 0x20 || (value >= 0x7f && value < 0xa0); }

std::string Cut(std::string_view text, std::size_t limit, bool printable) {
  std::string out;
  out.reserve(std::min(text.size(), limit));
  while (!text.empty()) {
    const CodePoint point = Decode(text);
    const bool is_kept = point.length > 0 && !(printable && IsControl(point.value));
    const std::string_view kept = is_kept ? text.substr(0, point.length) : std::string_view("?");
    if (out.size() + kept.size() > limit) break;
    out += kept;
    text.remove_prefix(std::max<std::size_t>(point.length, 1));
  }
  return out;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = Decode(text);
    if (point.length == 0) return false;
    text.remove_prefix(point.length);
  }
  return true;
}

bool IsPrintableUtf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = Decode(text);
    if (point.length == 0 || IsControl(point.value)) return false;
    text.remove_prefix(point.length);
  }
  return true;
}

std::string CutToUtf8(std::string_view text, std::size_t limit) { return Cut(text, limit, /*printable=*/false); }

std::string CutToPrintableUtf8(std::string_view text, std::size_t limit) {
  return Cut(text, limit, /*printable=*/true);
}

}  // namespace eplb
