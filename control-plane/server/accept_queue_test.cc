#include "control-plane/server/accept_queue.h"

#include <gtest/gtest.h>

#include <optional>
#include <span>

namespace tulle::server {
namespace {

class NamedSocket final : public loop::Socket {
 public:
  explicit NamedSocket(int number) : number_(number) {}
  void Watch(loop::SocketEvents*, bool, bool) override {}
  ssize_t Readv(std::span<const iovec>) override { return 0; }
  ssize_t Writev(std::span<const iovec>) override { return 0; }
  int ShutdownWrite() override { return 0; }
  int TakeError() override { return 0; }
  void ResetOnClose() override {}
  SocketAddress LocalAddress() const override { return {}; }
  SocketAddress PeerAddress() const override { return {}; }
  SocketAddress OriginalDestination() const override { return {}; }
  bool RestoreDestination() override { return false; }
  int PeekPending() override { return 0; }
  int descriptor() const override { return number_; }

 private:
  const int number_;
};

class AcceptQueueTest : public testing::Test {
 protected:
  void Push(const std::string& source, int number, size_t most = 100) {
    queue_.Push(source, std::make_unique<NamedSocket>(number), most);
  }
  // The numbers of all, in the order in which they are served.
  std::string Served() {
    std::string text;
    while (!queue_.empty()) text += std::to_string(queue_.Pop()->descriptor()) + " ";
    return text;
  }
  AcceptQueue queue_;
};

TEST_F(AcceptQueueTest, OneSourceIsServedInOrder) {
  for (int i = 1; i <= 5; ++i) Push("a", i);
  EXPECT_EQ(queue_.size(), 5);
  EXPECT_EQ(Served(), "1 2 3 4 5 ");
}

TEST_F(AcceptQueueTest, SourcesTakeTurns) {
  for (int i = 1; i <= 4; ++i) Push("a", i);
  Push("b", 10);
  Push("c", 20);
  Push("b", 11);
  EXPECT_EQ(Served(), "1 10 20 2 11 3 4 ");
}

TEST_F(AcceptQueueTest, ASourceThatComesNewIsNextAfterOneTurnOfTheOthers) {
  for (int i = 1; i <= 100; ++i) Push("flood", i);
  EXPECT_EQ(queue_.Pop()->descriptor(), 1);
  Push("admin", 1000);
  EXPECT_EQ(queue_.Pop()->descriptor(), 2);
  EXPECT_EQ(queue_.Pop()->descriptor(), 1000);
}

TEST_F(AcceptQueueTest, WhenFullTheLongestLineLosesItsOldest) {
  Push("admin", 1000, 4);
  for (int i = 1; i <= 10; ++i) Push("flood", i, 4);
  EXPECT_EQ(queue_.size(), 4);
  EXPECT_EQ(queue_.dropped(), 7);
  EXPECT_EQ(Served(), "1000 8 9 10 ");
}

}  // namespace
}  // namespace tulle::server
