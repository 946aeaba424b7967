#include "client/files/load_csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/field_errors.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr int kKeyColumns = 2;  // window, layer

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const auto first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Walks over the fields of one line.
class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}

  bool Next(std::string_view& field) {
    if (done_) return false;
    const auto comma = rest_.find(',');
    field = Trim(rest_.substr(0, comma));
    done_ = comma == std::string_view::npos;
    if (!done_) rest_.remove_prefix(comma + 1);
    return true;
  }

 private:
  std::string_view rest_;
  bool done_ = false;
};

struct Row {
  std::int64_t window = 0;
  std::int64_t layer = 0;
  std::int64_t line = 0;

  bool SameKey(const Row& other) const { return window == other.window && layer == other.layer; }
};

class CsvReader {
 public:
  absl::StatusOr<LoadSeries> Read(std::istream& input);

 private:
  absl::StatusOr<bool> NextLine(std::istream& input);
  absl::Status ReadHeader(std::string_view text);
  absl::Status ReadRow(std::string_view text);
  absl::StatusOr<std::int64_t> ReadKey(std::string_view field, int column, std::int64_t high) const;
  absl::StatusOr<double> ReadLoad(std::string_view field, int column) const;
  absl::Status AddColumns(Row row, Fields fields);
  absl::StatusOr<LoadSeries> Finish();
  absl::StatusOr<std::vector<int>> LayersOfEachWindow(const std::vector<Row>& rows) const;

  absl::Status LineError(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", line_number_, ": ", what));
  }
  absl::Status ColumnError(int column, std::string_view field, const std::string& rule) const {
    const std::string name = column == 1 ? "window" : column == 2 ? "layer" : absl::StrCat("e", column - 3);
    return absl::InvalidArgumentError(absl::StrCat("line ", line_number_, ", column ", column, " (", name,
                                                   "): ", field.empty() ? "empty" : QuoteForError(field), ": ", rule));
  }

  std::string line_;
  std::int64_t line_number_ = 0;
  int experts_ = 0;  // 0 until the header was read
  LoadValues values_;
  std::vector<Row> rows_;
};

// Reads one line of bounded length into line_; false at the end of the input.
absl::StatusOr<bool> CsvReader::NextLine(std::istream& input) {
  line_.clear();
  std::streambuf* buffer = input.rdbuf();
  int c = buffer->sbumpc();
  if (c == std::char_traits<char>::eof()) return false;
  ++line_number_;
  for (; c != std::char_traits<char>::eof() && c != '\n'; c = buffer->sbumpc()) {
    if (line_.size() >= kMaxCsvLineBytes) {
      return LineError(absl::StrCat("must be at most ", kMaxCsvLineBytes, " bytes long"));
    }
    line_.push_back(static_cast<char>(c));
  }
  return true;
}

absl::Status CsvReader::ReadHeader(std::string_view text) {
  Fields fields(text);
  std::string_view field;
  int column = 0;
  while (fields.Next(field)) {
    ++column;
    const std::string expected = column == 1 ? "window" : column == 2 ? "layer" : absl::StrCat("e", column - 3);
    if (field != expected) {
      return ColumnError(column, field, absl::StrCat("the header must be window,layer,e0,e1,...: expected ", expected));
    }
    if (column > kKeyColumns + kMaxExperts)
      return LineError(absl::StrCat("must have at most ", kMaxExperts, " experts"));
  }
  if (column <= kKeyColumns) return LineError("the header must be window,layer,e0,e1,...: it names no expert");
  experts_ = column - kKeyColumns;
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> CsvReader::ReadKey(std::string_view field, int column, std::int64_t high) const {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size() || value < 0 || value > high) {
    return ColumnError(column, field, absl::StrCat("must be a whole number from 0 to ", high));
  }
  return value;
}

absl::StatusOr<double> CsvReader::ReadLoad(std::string_view field, int column) const {
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error == std::errc::result_out_of_range) return ColumnError(column, field, "does not fit a double");
  if (error != std::errc() || end != field.data() + field.size()) return ColumnError(column, field, "must be a number");
  if (!std::isfinite(value)) return ColumnError(column, field, "must be finite");
  if (std::signbit(value) && value != 0) return ColumnError(column, field, "must be at least 0");
  if (value > kMaxLayerLoad) return ColumnError(column, field, "must be at most 2^53");
  return std::abs(value);
}

absl::Status CsvReader::AddColumns(Row row, Fields fields) {
  std::string_view field;
  int column = kKeyColumns;
  while (fields.Next(field)) {
    if (++column > kKeyColumns + experts_) break;
    EPLB_ASSIGN_OR_RETURN(const double load, ReadLoad(field, column));
    values_.Append(load);
  }
  if (column == kKeyColumns + experts_) {
    rows_.push_back(row);
    return absl::OkStatus();
  }
  return LineError(absl::StrCat("has ", column > kKeyColumns + experts_ ? "more" : "only ",
                                column > kKeyColumns + experts_ ? "" : absl::StrCat(column),
                                " columns where the header has ", kKeyColumns + experts_));
}

absl::Status CsvReader::ReadRow(std::string_view text) {
  if (static_cast<std::int64_t>(rows_.size() + 1) * experts_ > kMaxSeriesValues) {
    return LineError(absl::StrCat("a file must hold at most ", kMaxSeriesValues, " loads"));
  }
  Fields fields(text);
  std::string_view field;
  fields.Next(field);
  Row row{.line = line_number_};
  EPLB_ASSIGN_OR_RETURN(row.window, ReadKey(field, 1, kMaxWindowNumber));
  if (!fields.Next(field)) return LineError(absl::StrCat("has only 1 column where the header has ", 2 + experts_));
  EPLB_ASSIGN_OR_RETURN(row.layer, ReadKey(field, 2, kMaxModelLayer));
  return AddColumns(row, fields);
}

// The layers of the first window of the sorted rows, having checked that every window has the same.
absl::StatusOr<std::vector<int>> CsvReader::LayersOfEachWindow(const std::vector<Row>& rows) const {
  std::vector<int> layers;
  for (auto begin = rows.begin(); begin != rows.end();) {
    const auto end = std::find_if(begin, rows.end(), [&](const Row& row) { return row.window != begin->window; });
    if (layers.empty()) {
      for (auto row = begin; row != end; ++row) layers.push_back(static_cast<int>(row->layer));
    }
    for (auto row = begin; row != end; ++row) {
      if (std::ranges::binary_search(layers, row->layer)) continue;
      return absl::InvalidArgumentError(absl::StrCat("line ", row->line, ": window ", row->window, " has layer ",
                                                     row->layer, ", which window ", rows.front().window, " lacks"));
    }
    for (int layer : layers) {
      if (std::ranges::binary_search(begin, end, layer, {}, &Row::layer)) continue;
      return absl::InvalidArgumentError(absl::StrCat("window ", begin->window, " lacks layer ", layer,
                                                     ", which window ", rows.front().window, " has"));
    }
    begin = end;
  }
  return layers;
}

absl::StatusOr<LoadSeries> CsvReader::Finish() {
  if (experts_ == 0) return absl::InvalidArgumentError("holds no header (window,layer,e0,e1,...)");
  if (rows_.empty()) return absl::InvalidArgumentError("holds no rows of loads");
  std::vector<std::int64_t> order(rows_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](std::int64_t index) {
    const Row& row = rows_[static_cast<std::size_t>(index)];
    return std::pair(row.window, row.layer);
  };
  if (!std::ranges::is_sorted(order, {}, key)) {
    std::ranges::stable_sort(order, {}, key);
    values_ = values_.Gather(experts_, order);
    std::ranges::stable_sort(rows_, {}, [](const Row& row) { return std::pair(row.window, row.layer); });
  }
  const auto twice = std::ranges::adjacent_find(rows_, [](const Row& a, const Row& b) { return a.SameKey(b); });
  if (twice != rows_.end()) {
    return absl::InvalidArgumentError(absl::StrCat("line ", std::next(twice)->line, ": window ", twice->window,
                                                   " layer ", twice->layer, " was given in line ", twice->line,
                                                   " already"));
  }
  EPLB_ASSIGN_OR_RETURN(std::vector<int> layers, LayersOfEachWindow(rows_));
  std::vector<std::int64_t> windows;
  for (std::size_t i = 0; i < rows_.size(); i += layers.size()) windows.push_back(rows_[i].window);
  const LoadSeriesShape shape{.windows = static_cast<std::int64_t>(windows.size()),
                              .layers = static_cast<int>(layers.size()),
                              .experts = experts_};
  return LoadSeries::Create(shape, std::move(values_), std::move(layers), std::move(windows));
}

absl::StatusOr<LoadSeries> CsvReader::Read(std::istream& input) {
  while (true) {
    EPLB_ASSIGN_OR_RETURN(const bool more, NextLine(input));
    if (!more) break;
    std::string_view text = line_;
    if (line_number_ == 1 && text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    text = Trim(text);
    if (text.empty() || text.front() == '#') continue;
    EPLB_RETURN_IF_ERROR(experts_ == 0 ? ReadHeader(text) : ReadRow(text));
  }
  return Finish();
}

void AppendNumber(std::string& out, double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  out.append(buffer, end);
}

}  // namespace

absl::StatusOr<LoadSeries> ReadLoadCsv(std::istream& input) { return CsvReader().Read(input); }

absl::Status WriteLoadCsv(const LoadSeries& series, std::ostream& output) {
  const LoadSeriesShape& shape = series.shape();
  output << "window,layer";
  for (int expert = 0; expert < shape.experts; ++expert) output << ",e" << expert;
  output << '\n';
  std::string line;
  for (std::int64_t window = 0; window < shape.windows; ++window) {
    EPLB_ASSIGN_OR_RETURN(const LoadMatrix loads, series.Window(window));
    for (int layer = 0; layer < shape.layers; ++layer) {
      line = absl::StrCat(series.window_numbers()[static_cast<std::size_t>(window)], ",",
                          series.model_layers()[static_cast<std::size_t>(layer)]);
      for (double load : loads.layer(layer)) {
        line += ',';
        AppendNumber(line, load);
      }
      output << line << '\n';
    }
  }
  return output.good() ? absl::OkStatus() : absl::UnknownError("could not be written");
}

}  // namespace eplb
