#include "client/files/load_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "client/files/load_csv.h"
#include "client/files/load_npy.h"

namespace eplb {
namespace {

using ::testing::HasSubstr;

TEST(LoadFileTest, TellsFormatsApartByTheFirstByte) {
  std::stringstream csv("window,layer,e0\n0,5,1\n");
  const auto from_csv = ReadLoads(csv);
  ASSERT_TRUE(from_csv.ok()) << from_csv.status();
  EXPECT_TRUE(from_csv->names_layers);
  std::stringstream npy;
  ASSERT_TRUE(WriteLoadNpy(from_csv->series, npy).ok());
  const auto from_npy = ReadLoads(npy);
  ASSERT_TRUE(from_npy.ok()) << from_npy.status();
  EXPECT_FALSE(from_npy->names_layers);
}

TEST(LoadFileTest, NamesThePath) {
  EXPECT_EQ(ReadLoadFile("/no/such/file").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ReadLoadFile("/no/such/file").status().message()), HasSubstr("/no/such/file: cannot open"));
  EXPECT_THAT(std::string(ReadLoadFile("/tmp").status().message()), HasSubstr("/tmp: is a directory"));
  EXPECT_THAT(std::string(ReadLoadFile("/dev/null").status().message()), HasSubstr("/dev/null: holds no header"));
}

}  // namespace
}  // namespace eplb
