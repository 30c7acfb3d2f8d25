// The n-th allocation is refused: to the slab (and with it to arenas, buffers and HTTP/2), and to
// BoringSSL. At most that request may end, the next one is served, and nothing is leaked. Under
// AddressSanitizer each block of a slab is a separate allocation; otherwise these are the refills
// of its free lists.
#include <gtest/gtest.h>

#include <atomic>

#include "tests/failures/two_hops.h"

namespace tulle::failures {
namespace {

class FailingMemory final : public MemorySource {
 public:
  void Arm(int nth, int times) {
    struck_ = false;
    to_pass_ = nth - 1;
    to_fail_ = times;
    armed_ = true;
  }
  bool Disarm() {
    armed_ = false;
    return struck_;
  }
  void* Take(size_t size) override {
    if (armed_ && to_pass_.fetch_sub(1) <= 0 && to_fail_.fetch_sub(1) > 0) {
      struck_ = true;
      return nullptr;
    }
    return MemorySource::Take(size);
  }

 private:
  std::atomic<bool> armed_ = false;
  std::atomic<bool> struck_ = false;
  std::atomic<int> to_pass_ = 0;
  std::atomic<int> to_fail_ = 0;
};

// How many consecutive allocations are refused: the reserve of a slab covers more than the larger
// number.
class FailingMemoryTest : public testing::TestWithParam<int> {};

TEST_P(FailingMemoryTest, EndsAtMostThatRequest) {
  constexpr int kMost = 20'000;
  TwoHops hops;
  FailingMemory memory;
  int nth = 1;
  for (bool struck = true; struck && nth < kMost; nth += GetParam()) {
    SCOPED_TRACE("block number " + std::to_string(nth));
    const size_t held = hops.Run(
        [&] {
          memory.Arm(nth, GetParam());
          hops.Post();
          struck = memory.Disarm();
          const Answer next = hops.Post();
          EXPECT_EQ(next.status, 200);
          EXPECT_TRUE(next.whole);
        },
        memory);
    EXPECT_EQ(held, 0u);
    EXPECT_TRUE(hops.LeftNothingOpen());
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(nth, 10);
  EXPECT_LT(nth, kMost);
}

INSTANTIATE_TEST_SUITE_P(InARow, FailingMemoryTest, testing::Values(1, 8),
                         [](const auto& one) { return std::to_string(one.param); });

}  // namespace
}  // namespace tulle::failures
