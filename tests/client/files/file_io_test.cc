#include "client/files/file_io.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace eplb {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

class FileIoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "file_io_XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::size_t FilesInDirectory() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  fs::path directory_;
};

TEST_F(FileIoTest, WritesAndReadsBack) {
  const std::string path = directory_ / "a";
  ASSERT_TRUE(WriteFileAtomically(path, "first").ok());
  ASSERT_TRUE(WriteFileAtomically(path, "second").ok());
  EXPECT_EQ(*ReadTextFile(path, 100), "second");
  EXPECT_EQ(FilesInDirectory(), 1U) << "no temporary file stays";
}

TEST_F(FileIoTest, KeepsThePermissionsOfAFileItReplaces) {
  const std::string path = directory_ / "a";
  ASSERT_TRUE(WriteFileAtomically(path, "first").ok());
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  ASSERT_TRUE(WriteFileAtomically(path, "second").ok());
  struct stat status = {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(FileIoTest, AFailedWriteLeavesWhatWasThere) {
  const std::string path = directory_ / "a";
  fs::create_directory(path);
  fs::create_directory(directory_ / "a" / "b");
  EXPECT_FALSE(WriteFileAtomically(path, "text").ok());
  EXPECT_TRUE(fs::is_directory(path));
  EXPECT_EQ(FilesInDirectory(), 1U);
  EXPECT_FALSE(WriteFileAtomically(directory_ / "none" / "a", "text").ok());
}

TEST_F(FileIoTest, WritesToWhatCannotBeReplaced) { EXPECT_TRUE(WriteFileAtomically("/dev/null", "text").ok()); }

TEST_F(FileIoTest, RefusesFilesPastTheBoundAndDirectories) {
  const std::string path = directory_ / "a";
  ASSERT_TRUE(WriteFileAtomically(path, std::string(101, 'x')).ok());
  EXPECT_EQ(ReadTextFile(path, 101)->size(), 101U);
  const auto too_long = ReadTextFile(path, 100);
  EXPECT_EQ(too_long.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(too_long.status().message()), HasSubstr(path + ": must be at most 100 bytes long"));
  EXPECT_FALSE(ReadTextFile(directory_, 100).ok());
}

TEST(AtPathTest, KeepsTheCode) {
  const absl::Status status = AtPath("here", absl::NotFoundError("what"));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "here: what");
  EXPECT_TRUE(AtPath("here", absl::OkStatus()).ok());
}

}  // namespace
}  // namespace eplb
