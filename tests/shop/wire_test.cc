#include "tests/shop/wire.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/shop/goods.h"

namespace tulle::shop {
namespace {

// Both ends of a connection: what is written raw on one side is read as a message on the other.
class WireTest : public testing::Test {
 protected:
  WireTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    near_ = std::make_unique<Wire>(ends[0]);
    far_ = std::make_unique<Wire>(ends[1]);
  }
  std::unique_ptr<Wire> near_, far_;
};

TEST_F(WireTest, ARequestIsReadAsItWasSent) {
  ASSERT_TRUE(near_->Send(Format(Request{"POST", "/pay", {{"host", "payment"}}, "body"})));
  Request request;
  ASSERT_TRUE(far_->ReadRequest(&request));
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/pay");
  EXPECT_EQ(request.headers["host"], "payment");
  EXPECT_EQ(request.body, "body");
}

TEST_F(WireTest, ChunksAreJoinedAndTheNextResponseFollows) {
  ASSERT_TRUE(near_->Send(
      "HTTP/1.1 100 Continue\r\n\r\n"
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
      "HTTP/1.1 404 No\r\ncontent-length: 1\r\n\r\n!"));
  Response response;
  ASSERT_TRUE(far_->ReadResponse(&response));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "abcde");
  ASSERT_TRUE(far_->ReadResponse(&response));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, "!");
}

TEST_F(WireTest, ATruncatedBodyIsNotAResponse) {
  ASSERT_TRUE(near_->Send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"));
  near_.reset();
  Response response;
  EXPECT_FALSE(far_->ReadResponse(&response));
}

TEST_F(WireTest, AClosedConnectionIsNotIdle) {
  EXPECT_TRUE(far_->IsIdle());
  near_.reset();
  EXPECT_FALSE(far_->IsIdle());
}

TEST(Address, NeedsHostAndPort) {
  EXPECT_EQ(ParseAddress("127.0.0.1:80")->port, 80);
  EXPECT_FALSE(ParseAddress("127.0.0.1"));
  EXPECT_FALSE(ParseAddress("127.0.0.1:0"));
  EXPECT_FALSE(ParseAddress(":80"));
}

TEST(Goods, FollowFromTheNumber) {
  EXPECT_EQ(Image(7), Image(7));
  EXPECT_NE(Digest(Image(7)), Digest(Image(8)));
  EXPECT_EQ(Image(7).size(), kImageSize);
  EXPECT_EQ(Order(1, 1000).compare(0, kMarker.size(), kMarker), 0);
}

}  // namespace
}  // namespace tulle::shop
