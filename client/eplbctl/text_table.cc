#include "client/eplbctl/text_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

namespace eplb {
namespace {

constexpr std::size_t kGap = 2;

// Columns on the screen: bytes that do not continue a UTF-8 character.
std::size_t DisplayWidth(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

TextTable::TextTable(std::vector<std::string> header) {
  std::vector<Cell> cells;
  for (std::string& text : header) cells.emplace_back(std::move(text), Emphasis::kBold);
  left_.assign(cells.size(), false);
  left_.front() = true;
  rows_.push_back(std::move(cells));
}

void TextTable::AlignLeft(std::size_t column) { left_[column] = true; }

void TextTable::AddRow(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }

std::string TextTable::Format(bool colour) const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i].text));
  }
  std::string out;
  for (const auto& row : rows_) {
    std::size_t owed = 0;  // blanks that are written only if text follows
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::size_t padding = widths[i] - DisplayWidth(row[i].text);
      if (i > 0) owed += kGap;
      if (!left_[i]) owed += padding;
      if (!row[i].text.empty()) {
        out.append(std::exchange(owed, 0), ' ');
        out += Emphasize(row[i].text, row[i].emphasis, colour);
      }
      if (left_[i]) owed += padding;
    }
    out += '\n';
  }
  return out;
}

std::string Fixed(double value, int decimals) {
  const double unit = std::pow(10.0, decimals);
  const double rounded = std::round(value * unit) / unit;
  std::array<char, 64> buffer = {};
  std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, rounded == 0 ? 0.0 : rounded);
  return buffer.data();
}

std::string Grouped(long long value) {
  const std::string digits = std::to_string(value);
  const std::size_t sign = digits.front() == '-' ? 1 : 0;
  std::string out = digits.substr(0, sign);
  for (std::size_t i = sign; i < digits.size(); ++i) {
    if (i > sign && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

}  // namespace eplb
