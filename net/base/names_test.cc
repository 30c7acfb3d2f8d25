#include "net/base/names.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle {
namespace {

TEST(Names, LabelsAndNames) {
  EXPECT_TRUE(IsDnsLabel("post-v1"));
  for (const char* bad : {"", "-a", "a-", "A", "a.b", "a_b"}) EXPECT_FALSE(IsDnsLabel(bad)) << bad;
  EXPECT_FALSE(IsDnsLabel(std::string(64, 'a')));
  EXPECT_TRUE(IsDnsName("api.example.org"));
  for (const char* bad : {"", "a..b", ".a", "a.", "*.a"}) EXPECT_FALSE(IsDnsName(bad)) << bad;
}

TEST(Names, Localities) {
  for (const char* good : {"eu", "eu/a", "eu-west.1/a_b/rack-3"}) EXPECT_TRUE(IsLocality(good));
  for (const char* bad : {"", "/", "eu/", "eu//a", "a/b/c/d", "e u", "eu/\n"}) {
    EXPECT_FALSE(IsLocality(bad)) << bad;
  }
  EXPECT_TRUE(IsLocality(std::string(63, 'a')));
  EXPECT_FALSE(IsLocality(std::string(64, 'a')));
}

}  // namespace
}  // namespace tulle
