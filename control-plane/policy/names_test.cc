#include "control-plane/policy/names.h"

#include <gtest/gtest.h>

namespace tulle::policy {
namespace {

using std::chrono::milliseconds;

TEST(Names, DurationsAreTheGatewayApis) {
  EXPECT_EQ(ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(ParseDuration("1m30s"), milliseconds(90000));
  EXPECT_EQ(ParseDuration("1h1m1s1ms"), milliseconds(3661001));
  EXPECT_EQ(ParseDuration("0s"), milliseconds(0));
  for (const char* bad : {"", "1", "s", "1.5s", "-1s", "123456s", "1s ", "1d", "1s1s1s1s1s"}) {
    EXPECT_FALSE(ParseDuration(bad)) << bad;
  }
}

TEST(Names, DurationsAreReadAsTheyAreWritten) {
  for (const int64_t value : {1, 25, 999, 1000, 1001, 60000, 90500, 3600000, 359999999}) {
    EXPECT_EQ(ParseDuration(FormatDuration(milliseconds(value))), milliseconds(value)) << value;
  }
}

}  // namespace
}  // namespace tulle::policy
