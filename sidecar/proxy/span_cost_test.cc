// What spans cost a request: no allocation, whatever the collector does. Allocations are counted in
// this whole program.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "sidecar/proxy/testing/span_world.h"

namespace {

size_t allocations = 0;  // by the only thread

void* Allocate(size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace tulle::proxy {
namespace {

class SpanCostTest : public testing::SpanWorld {
 protected:
  // Of that many requests after as many others.
  size_t AllocationsOf(int requests) {
    Configure();
    for (int i = 0; i < requests; ++i) WriteOne();
    log_.Flush();
    const size_t before = allocations;
    for (int i = 0; i < requests; ++i) WriteOne();
    log_.Flush();
    return allocations - before;
  }
};

TEST_F(SpanCostTest, AllocationsAreCounted) {
  const size_t before = allocations;
  delete new int(1);
  EXPECT_EQ(allocations, before + 1);
}

TEST_F(SpanCostTest, ARequestThatIsNotSampledHasNone) {
  EXPECT_EQ(AllocationsOf(1000), 0u);
  EXPECT_EQ(sink_.submitted + sink_.submitted_errors, 0u);
}

// The queue to the collector is full, so that nothing is taken.
TEST_F(SpanCostTest, Fault87_ASampledRequestHasNoneWhileTheCollectorIsDown) {
  Sample();
  AttemptTrace attempt;
  attempt.upstream = record_.upstream.address;
  attempt.status = 200;
  AddAttempt(attempt);
  sink_.refuses = true;
  EXPECT_EQ(AllocationsOf(1000), 0u);
  EXPECT_EQ(Dropped("queue_full"), 4000u);
}

TEST_F(SpanCostTest, Fault87_AnOutageHasNoneWhileTheCollectorIsDown) {
  record_.status = 503;
  sink_.refuses = true;
  EXPECT_EQ(AllocationsOf(1000), 0u);
  EXPECT_EQ(Dropped("queue_full_errors"), 20u);
  EXPECT_EQ(Dropped("late_limit"), 2 * 2000u - 20);
}

}  // namespace
}  // namespace tulle::proxy
