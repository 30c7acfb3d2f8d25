#include "sidecar/route/pushback.h"

#include <gtest/gtest.h>

#include <string>

#include "net/base/slab.h"

namespace tulle::route {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class PushbackTest : public ::testing::Test {
 protected:
  Pushback Of(std::string_view name, std::string_view value) {
    http::Head head(arena_);
    head.headers.Add(name, value);
    return PushbackOf(retry_, head, now_);
  }

  Slab slab_;
  Arena arena_{slab_};
  std::chrono::system_clock::time_point now_{seconds(1'700'000'000)};
  RetrySpec retry_{.reset_headers = {{"retry-after", ResetHeader::Format::kSeconds},
                                     {"x-reset", ResetHeader::Format::kUnixTime}}};
};

TEST_F(PushbackTest, Seconds) {
  EXPECT_EQ(Of("Retry-After", "2").wait, seconds(2));
  EXPECT_EQ(Of("Retry-After", "0").wait, seconds(0));
}

TEST_F(PushbackTest, UnixTime) {
  EXPECT_EQ(Of("X-Reset", "1700000007").wait, seconds(7));
  EXPECT_EQ(Of("X-Reset", "1699999999").wait, std::nullopt) << "over already";
  EXPECT_EQ(Of("X-Reset", "10000000000").wait, std::nullopt) << "beyond the clock's nanoseconds";
}

TEST_F(PushbackTest, InvalidValuesUseTheUsualBackOff) {
  for (const char* value : {"", "soon", "-1", "1.5", "301", "99999999999999999999", "1099511627776",
                            "Wed, 21 Oct 2026 07:28:00 GMT"}) {
    const Pushback pushback = Of("retry-after", value);
    EXPECT_FALSE(pushback.refused) << value;
    EXPECT_EQ(pushback.wait, std::nullopt) << value;
  }
  EXPECT_EQ(Of("other", "2").wait, std::nullopt);
}

TEST_F(PushbackTest, GrpcPushback) {
  EXPECT_EQ(Of("grpc-retry-pushback-ms", "150").wait, milliseconds(150));
  EXPECT_FALSE(Of("grpc-retry-pushback-ms", "150").refused);
  EXPECT_TRUE(Of("grpc-retry-pushback-ms", "-1").refused);
  EXPECT_TRUE(Of("grpc-retry-pushback-ms", "never").refused);
}

}  // namespace
}  // namespace tulle::route
