#include "client/files/load_npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/files/npy_header.h"
#include "server/base/status_macros.h"
#include "server/model/limits.h"

namespace eplb {
namespace {

static_assert(std::endian::native == std::endian::little, "values are copied as they are in the file");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kPreludeBytes = 8;  // magic, major and minor version
constexpr std::int64_t kMaxHeaderBytes = 65536;
constexpr std::size_t kChunkValues = 8192;
constexpr std::size_t kHeaderAlignment = 64;

absl::Status ErrorAt(std::int64_t offset, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("byte ", offset, ": ", what));
}

// Fills the buffer as far as the input goes; the number of bytes read.
std::size_t ReadUpTo(std::istream& input, char* buffer, std::size_t bytes) {
  return static_cast<std::size_t>(input.rdbuf()->sgetn(buffer, static_cast<std::streamsize>(bytes)));
}

absl::Status ReadExactly(std::istream& input, char* buffer, std::size_t bytes, std::int64_t offset,
                         const std::string& what) {
  const std::size_t got = ReadUpTo(input, buffer, bytes);
  if (got == bytes) return absl::OkStatus();
  return ErrorAt(offset + static_cast<std::int64_t>(got), absl::StrCat("the file ends within ", what));
}

struct Prelude {
  NpyHeader header;
  std::int64_t data_offset = 0;
};

absl::StatusOr<Prelude> ReadPrelude(std::istream& input) {
  std::array<unsigned char, kPreludeBytes + 4> bytes = {};
  auto* chars = reinterpret_cast<char*>(bytes.data());
  EPLB_RETURN_IF_ERROR(ReadExactly(input, chars, kPreludeBytes, 0, "the magic"));
  if (std::string_view(chars, kMagic.size()) != kMagic) return ErrorAt(0, "is not a NumPy array file");
  const int major = bytes[6];
  if ((major != 1 && major != 2) || bytes[7] != 0) {
    return ErrorAt(6, absl::StrCat("version ", major, ".", bytes[7], ": must be 1.0 or 2.0"));
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  EPLB_RETURN_IF_ERROR(ReadExactly(input, chars + kPreludeBytes, length_bytes, kPreludeBytes, "the header's length"));
  std::int64_t length = 0;
  for (std::size_t i = length_bytes; i-- > 0;) length = length * 256 + bytes[kPreludeBytes + i];
  if (length > kMaxHeaderBytes) {
    return ErrorAt(kPreludeBytes, absl::StrCat("a header of ", length, " bytes: must be at most ", kMaxHeaderBytes));
  }
  const auto offset = static_cast<std::int64_t>(kPreludeBytes + length_bytes);
  std::string text(static_cast<std::size_t>(length), '\0');
  EPLB_RETURN_IF_ERROR(ReadExactly(input, text.data(), text.size(), offset, "the header"));
  EPLB_ASSIGN_OR_RETURN(NpyHeader header, ParseNpyHeader(text, offset));
  return Prelude{.header = std::move(header), .data_offset = offset + length};
}

absl::StatusOr<LoadSeriesShape> SeriesShape(const NpyHeader& header) {
  const std::vector<std::int64_t>& dimensions = header.shape;
  const std::string text = absl::StrCat("(", absl::StrJoin(dimensions, ", "), ")");
  const std::size_t rank = dimensions.size();
  if (rank < 2 || rank > 4) {
    return absl::InvalidArgumentError(absl::StrCat("shape: ", text,
                                                   ": must be (layers, experts), (windows, layers, experts) or "
                                                   "(windows, sub-windows, layers, experts)"));
  }
  constexpr std::int64_t kTooLarge = 1 << 30;  // keeps what CheckShape refuses within an int
  const LoadSeriesShape shape{.windows = rank >= 3 ? dimensions[0] : 1,
                              .sub_windows = rank == 4 ? dimensions[1] : 1,
                              .layers = static_cast<int>(std::min(dimensions[rank - 2], kTooLarge)),
                              .experts = static_cast<int>(std::min(dimensions[rank - 1], kTooLarge))};
  const absl::Status status = CheckShape(shape);
  if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("shape: ", text, ": ", status.message()));
  return shape;
}

std::string IndexText(const LoadSeriesShape& shape, std::int64_t index) {
  const std::int64_t expert = index % shape.experts;
  const std::int64_t layer = index / shape.experts % shape.layers;
  const std::int64_t sub_window = index / shape.experts / shape.layers;
  return absl::StrCat("window ", sub_window / shape.sub_windows, ", sub-window ", sub_window % shape.sub_windows,
                      ", layer ", layer, ", expert ", expert);
}

// Reads `count` values of one type.
template <typename T>
absl::StatusOr<LoadValues> ReadValues(std::istream& input, const LoadSeriesShape& shape, std::int64_t offset) {
  const std::int64_t count = shape.windows * shape.sub_windows * shape.layers * shape.experts;
  LoadValues values;
  std::vector<T> chunk(kChunkValues);
  while (values.size() < count) {
    const auto wanted = static_cast<std::size_t>(std::min<std::int64_t>(count - values.size(), kChunkValues));
    const std::int64_t first_byte = offset + values.size() * static_cast<std::int64_t>(sizeof(T));
    EPLB_RETURN_IF_ERROR(
        ReadExactly(input, reinterpret_cast<char*>(chunk.data()), wanted * sizeof(T), first_byte,
                    absl::StrCat("the data: its header promises ", count, " values of ", sizeof(T), " bytes")));
    for (std::size_t i = 0; i < wanted; ++i) {
      const auto value = static_cast<double>(chunk[i]);
      if (value >= 0 && value <= kMaxLayerLoad) [[likely]] {
        values.Append(value);
        continue;
      }
      return ErrorAt(first_byte + static_cast<std::int64_t>(i * sizeof(T)),
                     absl::StrCat(IndexText(shape, values.size()), ": ", value, ": must be from 0 to 2^53"));
    }
  }
  if (input.rdbuf()->sgetc() != std::char_traits<char>::eof()) {
    return ErrorAt(offset + count * static_cast<std::int64_t>(sizeof(T)),
                   absl::StrCat("the file goes on after the ", count, " values that its header promises"));
  }
  return values;
}

absl::StatusOr<LoadValues> ReadValuesOf(const NpyHeader& header, std::istream& input, const LoadSeriesShape& shape,
                                        std::int64_t offset) {
  switch (header.kind * 16 + header.width) {
    case 'u' * 16 + 1:
      return ReadValues<std::uint8_t>(input, shape, offset);
    case 'u' * 16 + 2:
      return ReadValues<std::uint16_t>(input, shape, offset);
    case 'u' * 16 + 4:
      return ReadValues<std::uint32_t>(input, shape, offset);
    case 'u' * 16 + 8:
      return ReadValues<std::uint64_t>(input, shape, offset);
    case 'i' * 16 + 1:
      return ReadValues<std::int8_t>(input, shape, offset);
    case 'i' * 16 + 2:
      return ReadValues<std::int16_t>(input, shape, offset);
    case 'i' * 16 + 4:
      return ReadValues<std::int32_t>(input, shape, offset);
    case 'i' * 16 + 8:
      return ReadValues<std::int64_t>(input, shape, offset);
    case 'f' * 16 + 4:
      return ReadValues<float>(input, shape, offset);
    default:
      return ReadValues<double>(input, shape, offset);
  }
}

template <typename T>
void WriteValues(const LoadValues& values, std::ostream& output) {
  std::vector<T> chunk;
  for (std::int64_t first = 0; first < values.size(); first += static_cast<std::int64_t>(kChunkValues)) {
    chunk.clear();
    const std::int64_t end = std::min(values.size(), first + static_cast<std::int64_t>(kChunkValues));
    for (std::int64_t i = first; i < end; ++i) chunk.push_back(static_cast<T>(values.at(i)));
    output.write(reinterpret_cast<const char*>(chunk.data()), static_cast<std::streamsize>(chunk.size() * sizeof(T)));
  }
}

}  // namespace

absl::StatusOr<LoadSeries> ReadLoadNpy(std::istream& input) {
  EPLB_ASSIGN_OR_RETURN(const Prelude prelude, ReadPrelude(input));
  EPLB_ASSIGN_OR_RETURN(const LoadSeriesShape shape, SeriesShape(prelude.header));
  EPLB_ASSIGN_OR_RETURN(LoadValues values, ReadValuesOf(prelude.header, input, shape, prelude.data_offset));
  return LoadSeries::Create(shape, std::move(values));
}

absl::Status WriteLoadNpy(const LoadSeries& series, std::ostream& output) {
  const LoadSeriesShape& shape = series.shape();
  const bool compact = series.values().is_compact();
  NpyHeader header{.kind = compact ? 'u' : 'f', .width = compact ? 4 : 8, .shape = {shape.windows}};
  if (shape.sub_windows != 1) header.shape.push_back(shape.sub_windows);
  header.shape.push_back(shape.layers);
  header.shape.push_back(shape.experts);
  std::string text = FormatNpyHeader(header);
  const std::size_t front = kPreludeBytes + 2;
  text.append(kHeaderAlignment - (front + text.size() + 1) % kHeaderAlignment, ' ');
  text += '\n';
  output.write(kMagic.data(), static_cast<std::streamsize>(kMagic.size()));
  const char version_and_length[] = {1, 0, static_cast<char>(text.size() % 256), static_cast<char>(text.size() / 256)};
  output.write(version_and_length, sizeof version_and_length);
  output << text;
  compact ? WriteValues<std::uint32_t>(series.values(), output) : WriteValues<double>(series.values(), output);
  return output.good() ? absl::OkStatus() : absl::UnknownError("could not be written");
}

}  // namespace eplb
