#include "net/base/private_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>

namespace tulle {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class PrivateFileTest : public testing::Test {
 protected:
  PrivateFileTest() : path_(testing::TempDir() + "/private-file-test") {
    unlink(path_.c_str());
    unlink((path_ + ".new").c_str());
  }

  const std::string path_;
};

TEST_F(PrivateFileTest, OnlyTheOwnerMayReadIt) {
  ASSERT_EQ(WritePrivateFile(path_, "one"), 0);
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(Read(path_), "one");
}

TEST_F(PrivateFileTest, ALeftoverAndALinkAreReplacedAndNotWrittenThrough) {
  const std::string other = path_ + ".other";
  std::ofstream(other) << "other";
  ASSERT_EQ(symlink(other.c_str(), (path_ + ".new").c_str()), 0);
  ASSERT_EQ(symlink(other.c_str(), path_.c_str()), 0);
  ASSERT_EQ(WritePrivateFile(path_, std::string(1 << 20, 'x')), 0);
  EXPECT_EQ(Read(other), "other");
  EXPECT_EQ(Read(path_).size(), 1u << 20);
  EXPECT_NE(access((path_ + ".new").c_str(), F_OK), 0);
}

TEST_F(PrivateFileTest, AFailureKeepsTheFormerFile) {
  EXPECT_EQ(WritePrivateFile(path_ + "-missing/file", "x"), ENOENT);
  // A folder is in the way of the rename.
  const std::string folder = path_ + "-folder";
  mkdir(folder.c_str(), 0700);
  EXPECT_EQ(WritePrivateFile(folder, "x"), EISDIR);
  EXPECT_NE(access((folder + ".new").c_str(), F_OK), 0);
  rmdir(folder.c_str());
}

}  // namespace
}  // namespace tulle
