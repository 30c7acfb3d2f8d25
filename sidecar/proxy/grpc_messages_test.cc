#include "sidecar/proxy/grpc_messages.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::proxy {
namespace {

std::string Message(size_t size) {
  std::string message(5 + size, 'x');
  message[0] = size % 2 == 0 ? '\0' : '\1';
  for (int i = 0; i < 4; ++i) message[4 - i] = static_cast<char>(size >> (8 * i));
  return message;
}

class GrpcMessagesTest : public testing::Test {
 protected:
  void Pass(std::string_view bytes) {
    Buffer data(slab_);
    data.Append(bytes);
    messages_.Pass(data);
  }

  Slab slab_;
  GrpcMessages messages_;
};

TEST_F(GrpcMessagesTest, AreCountedHoweverTheBytesCome) {
  const std::string body =
      Message(0) + Message(1) + Message(0) + Message(70'000) + Message(300) + Message(0);
  for (const size_t step :
       {size_t{1}, size_t{2}, size_t{5}, size_t{7}, size_t{4096}, body.size()}) {
    messages_ = {};
    for (size_t at = 0; at < body.size(); at += step) Pass(std::string_view(body).substr(at, step));
    EXPECT_EQ(messages_.count(), 6u) << step;
  }
}

TEST_F(GrpcMessagesTest, InSeveralPieces) {
  Buffer data(slab_);
  const std::string body = Message(3) + Message(40'000) + Message(2);
  for (size_t at = 0; at < body.size(); at += 3) {
    Buffer piece(slab_);
    piece.Append(std::string_view(body).substr(at, 3));
    data.AppendShared(piece);
  }
  messages_.Pass(data);
  EXPECT_EQ(messages_.count(), 3u);
}

TEST_F(GrpcMessagesTest, AMessageThatIsNotWholeCountsWithItsPrefix) {
  Pass(Message(10).substr(0, 4));
  EXPECT_EQ(messages_.count(), 0u);
  Pass(Message(10).substr(4, 3));
  Pass("");
  EXPECT_EQ(messages_.count(), 1u);
}

TEST_F(GrpcMessagesTest, TheLongestLengthIsOneMessage) {
  Pass(std::string("\0\xff\xff\xff\xff", 5));
  Pass(std::string(100'000, '\0'));
  EXPECT_EQ(messages_.count(), 1u);
}

}  // namespace
}  // namespace tulle::proxy
