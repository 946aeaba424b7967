#include "client/files/load_npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "client/files/generated_loads.h"

namespace eplb {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A file of version 1 with this dictionary and this data.
std::string File(const std::string& header, const std::string& data) {
  const auto length = header.size();
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(length % 256) + static_cast<char>(length / 256) +
         header + data;
}

std::string Header(const std::string& type, const std::string& shape) {
  return "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

absl::StatusOr<LoadSeries> Read(const std::string& bytes) {
  std::istringstream input(bytes);
  return ReadLoadNpy(input);
}

template <typename T>
void ExpectReads(const std::string& type) {
  const auto series = Read(File(Header(type, "(2, 2)"), Bytes<T>({T{1}, T{2}, T{3}, T{100}})));
  ASSERT_TRUE(series.ok()) << type << ": " << series.status();
  EXPECT_THAT(series->Sum()->values(), ElementsAre(1, 2, 3, 100)) << type;
}

TEST(LoadNpyTest, ReadsEveryTypeOfNumber) {
  ExpectReads<std::uint8_t>("|u1");
  ExpectReads<std::uint16_t>("<u2");
  ExpectReads<std::uint32_t>("<u4");
  ExpectReads<std::uint64_t>("<u8");
  ExpectReads<std::int8_t>("|i1");
  ExpectReads<std::int16_t>("<i2");
  ExpectReads<std::int32_t>("<i4");
  ExpectReads<std::int64_t>("<i8");
  ExpectReads<float>("<f4");
  ExpectReads<double>("<f8");
}

TEST(LoadNpyTest, ShapesAreLayersThenWindowsThenSubWindows) {
  const std::vector<std::uint8_t> values = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_EQ(Read(File(Header("|u1", "(4, 2)"), Bytes(values)))->shape(),
            (LoadSeriesShape{.windows = 1, .sub_windows = 1, .layers = 4, .experts = 2}));
  EXPECT_EQ(Read(File(Header("|u1", "(2, 2, 2)"), Bytes(values)))->shape(),
            (LoadSeriesShape{.windows = 2, .sub_windows = 1, .layers = 2, .experts = 2}));
  const auto series = Read(File(Header("|u1", "(2, 2, 1, 2)"), Bytes(values)));
  EXPECT_EQ(series->shape(), (LoadSeriesShape{.windows = 2, .sub_windows = 2, .layers = 1, .experts = 2}));
  EXPECT_THAT(series->SubWindow(1, 0)->values(), ElementsAre(5, 6));
  EXPECT_THAT(series->Window(1)->values(), ElementsAre(12, 14));
  EXPECT_THAT(series->Sum()->values(), ElementsAre(16, 20));
  EXPECT_THAT(series->model_layers(), ElementsAre(0));
}

TEST(LoadNpyTest, ReadsVersion2) {
  const std::string header = Header("<u4", "(1, 1)");
  const std::string file = std::string("\x93NUMPY\x02\x00", 8) + static_cast<char>(header.size()) +
                           std::string(3, '\0') + header + Bytes<std::uint32_t>({7});
  ASSERT_TRUE(Read(file).ok()) << Read(file).status();
  EXPECT_THAT(Read(file)->Sum()->values(), ElementsAre(7));
}

struct BadNpy {
  const char* name;
  std::string bytes;
  const char* error;
};

void PrintTo(const BadNpy& test, std::ostream* out) { *out << test.name; }

class BadLoadNpyTest : public ::testing::TestWithParam<BadNpy> {};

TEST_P(BadLoadNpyTest, IsRefusedWithItsPlace) {
  const auto series = Read(GetParam().bytes);
  EXPECT_EQ(series.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(series.status().message()), HasSubstr(GetParam().error));
}

std::string One(const std::string& header) { return File(header, Bytes<std::uint32_t>({1})); }

INSTANTIATE_TEST_SUITE_P(
    Cases, BadLoadNpyTest,
    ::testing::Values(
        BadNpy{"empty", "", "byte 0: the file ends within the magic"},
        BadNpy{"cut_magic", "\x93NUM", "byte 4: the file ends within the magic"},
        BadNpy{"other_magic", "\x93NUMPX\x01\x01\x01\x01", "byte 0: is not a NumPy array file"},
        BadNpy{"version_3", std::string("\x93NUMPY\x03\x00\x00\x00", 10), "byte 6: version 3.0: must be 1.0 or 2.0"},
        BadNpy{"cut_length", std::string("\x93NUMPY\x01\x00\x05", 9),
               "byte 9: the file ends within the header's length"},
        BadNpy{"cut_header", std::string("\x93NUMPY\x01\x00\x50\x00{'descr'", 18),
               "byte 18: the file ends within the header"},
        BadNpy{"huge_header", std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12),
               "a header of 4294967295 bytes: must be at most"},
        BadNpy{"big_endian", One(Header(">u4", "(1, 1)")), "byte 19: descr: >u4: must be a little-endian"},
        BadNpy{"complex", One(Header("<c8", "(1, 1)")), "descr: <c8: must be"},
        BadNpy{"half", One(Header("<f2", "(1, 1)")), "descr: <f2: must be"},
        BadNpy{"objects", One(Header("|O", "(1, 1)")), "descr: |O: must be"},
        BadNpy{"record", One("{'descr': [('a', '<u4')], 'fortran_order': False, 'shape': (1, 1)}"),
               "expected a quoted string"},
        BadNpy{"fortran", One("{'descr': '<u4', 'fortran_order': True, 'shape': (1, 1)}"),
               "fortran_order: must be False"},
        BadNpy{"unknown_key", One("{'descr': '<u4', 'fortran_order': False, 'shape': (1, 1), 'x': 1}"),
               "x: must be descr, fortran_order or shape"},
        BadNpy{"double_key", One("{'descr': '<u4', 'descr': '<u4', 'fortran_order': False, 'shape': (1, 1)}"),
               "byte 27: descr: must be given once"},
        BadNpy{"no_shape", One("{'descr': '<u4', 'fortran_order': False}"),
               "byte 10: the header must hold descr, fortran_order and shape"},
        BadNpy{"no_brace", One("'descr': '<u4'"), "byte 10: expected { in the header"},
        BadNpy{"unclosed", One("{'descr': '<u4"), "byte 20: a quoted string in the header has no end"},
        BadNpy{"trailing", One(Header("<u4", "(1, 1)") + "x"), "unexpected text after the header"},
        BadNpy{"negative_dimension", One(Header("<u4", "(-1, 1)")), "shape: must be whole numbers"},
        BadNpy{"text_dimension", One(Header("<u4", "(a, 1)")), "shape: must be whole numbers"},
        BadNpy{"overflowing_dimension", One(Header("<u4", "(99999999999999999999, 1)")),
               "shape: must be whole numbers"},
        BadNpy{"scalar", One(Header("<u4", "()")), "shape: (): must be (layers, experts)"},
        BadNpy{"vector", One(Header("<u4", "(1,)")), "shape: (1): must be (layers, experts)"},
        BadNpy{"five_dimensions", One(Header("<u4", "(1, 1, 1, 1, 1)")), "shape: (1, 1, 1, 1, 1): must be"},
        BadNpy{"nine_dimensions", One(Header("<u4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)")), "shape: must have at most 8"},
        BadNpy{"no_layers", One(Header("<u4", "(0, 4)")), "layers: 0: must be from 1 to 256"},
        BadNpy{"too_many_layers", One(Header("<u4", "(257, 4)")), "layers: 257: must be from 1 to 256"},
        BadNpy{"too_many_experts", One(Header("<u4", "(1, 1099511627776)")),
               "experts: 1073741824: must be from 1 to 4096"},
        BadNpy{"no_windows", One(Header("<u4", "(0, 1, 1)")), "windows: 0: must be from 1 to"},
        BadNpy{"bomb", One(Header("<u4", "(200000000, 200000000, 256, 4096)")), "must be at most 268435456 loads"},
        BadNpy{"truncated", File(Header("<u4", "(2, 2)"), Bytes<std::uint32_t>({1, 2, 3})),
               "the file ends within the data: its header promises 4 values of 4 bytes"},
        BadNpy{"promises_a_lot", One(Header("<u4", "(65536, 1, 4096)")), "the file ends within the data"},
        BadNpy{"goes_on", File(Header("<u4", "(1, 1)"), Bytes<std::uint32_t>({1, 2})),
               "the file goes on after the 1 values"},
        BadNpy{"negative", File(Header("<i4", "(2, 2)"), Bytes<std::int32_t>({1, 2, 3, -4})),
               "window 0, sub-window 0, layer 1, expert 1: -4: must be from 0"},
        BadNpy{"nan", File(Header("<f8", "(1, 2)"), Bytes<double>({1, NAN})), "layer 0, expert 1: nan: must be from 0"},
        BadNpy{"infinite", File(Header("<f4", "(1, 1, 1, 2)"), Bytes<float>({1, INFINITY})),
               "expert 1: inf: must be from 0"},
        BadNpy{"overflow", File(Header("<u8", "(1, 1)"), Bytes<std::uint64_t>({~std::uint64_t{0}})),
               "must be from 0 to 2^53"}),
    [](const auto& test) { return std::string(test.param.name); });

// Property: no prefix of a good file is a good file, and none crashes the reader.
TEST(LoadNpyTest, EveryTruncationIsRefused) {
  const std::string file = File(Header("<u2", "(1, 2, 1, 3)"), Bytes<std::uint16_t>({1, 2, 3, 4, 5, 6}));
  ASSERT_TRUE(Read(file).ok());
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(Read(file.substr(0, size)).status().code(), absl::StatusCode::kInvalidArgument) << size;
  }
}

class LoadNpyRoundTripTest : public ::testing::TestWithParam<int> {};

TEST_P(LoadNpyRoundTripTest, WriteThenReadIsTheSame) {
  const int seed = GetParam();
  const auto series = GenerateLoads({.windows = 1 + seed % 3,
                                     .sub_windows = 1 + seed % 4,
                                     .layers = 1 + seed % 7,
                                     .experts = 1 + seed * 5 % 40,
                                     .seed = static_cast<std::uint64_t>(seed)});
  ASSERT_TRUE(series.ok());
  std::stringstream file;
  ASSERT_TRUE(WriteLoadNpy(*series, file).ok());
  EXPECT_EQ(file.str().find('\n') % 64, 63U) << "data is aligned as numpy aligns it";
  const auto again = ReadLoadNpy(file);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *series);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LoadNpyRoundTripTest, ::testing::Range(0, 24));

TEST(LoadNpyTest, FractionsSurviveTheRoundTrip) {
  const auto series = Read(File(Header("<f8", "(1, 3)"), Bytes<double>({1, 0.25, 1e-9})));
  std::stringstream file;
  ASSERT_TRUE(WriteLoadNpy(*series, file).ok());
  EXPECT_EQ(*ReadLoadNpy(file), *series);
}

}  // namespace
}  // namespace eplb
