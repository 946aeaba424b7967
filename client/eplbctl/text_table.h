#ifndef EPLB_CLIENT_EPLBCTL_TEXT_TABLE_H_
#define EPLB_CLIENT_EPLBCTL_TEXT_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "client/eplbctl/terminal.h"

namespace eplb {

// One cell; a plain string is one without emphasis.
struct Cell {
  Cell(std::string cell_text, Emphasis cell_emphasis = Emphasis::kNone)  // NOLINT: tables are lists of strings
      : text(std::move(cell_text)), emphasis(cell_emphasis) {}
  Cell(const char* cell_text) : text(cell_text) {}  // NOLINT: same

  std::string text;
  Emphasis emphasis = Emphasis::kNone;
};

// Rows of cells in aligned columns: the first column to the left, the others to the right.
class TextTable {
 public:
  // The header is bold.
  explicit TextTable(std::vector<std::string> header);

  // At most as many cells as the header has; missing ones are empty.
  void AddRow(std::vector<Cell> cells);

  // Sets a column to the left instead.
  void AlignLeft(std::size_t column);

  // The lines of the table, each ended by a newline, without blanks at their ends.
  std::string Format(bool colour) const;

 private:
  std::vector<std::vector<Cell>> rows_;
  std::vector<bool> left_;  // [columns]
};

// The value with `decimals` digits after the point; "-0.00" is "0.00".
std::string Fixed(double value, int decimals);

// 12345 as "12,345".
std::string Grouped(long long value);

}  // namespace eplb

#endif  // EPLB_CLIENT_EPLBCTL_TEXT_TABLE_H_
