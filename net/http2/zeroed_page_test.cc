#include "net/http2/zeroed_page.h"

#include <sys/mman.h>

#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace tulle::http2 {
namespace {

bool TakesMemory(const ZeroedPage& page) {
  unsigned char resident = 0;
  EXPECT_EQ(mincore(page.get(), ZeroedPage::kSize, &resident), 0);
  return (resident & 1) != 0;
}

TEST(ZeroedPage, TakesNoMemoryWhileItContainsOnlyZeros) {
  ZeroedPage page;
  char* const bytes = static_cast<char*>(page.Map());
  ASSERT_NE(bytes, nullptr);
  EXPECT_FALSE(TakesMemory(page));
  bytes[ZeroedPage::kSize - 1] = 1;
  EXPECT_FALSE(page.Release());
  EXPECT_EQ(bytes[ZeroedPage::kSize - 1], 1);
  EXPECT_TRUE(TakesMemory(page));
  bytes[ZeroedPage::kSize - 1] = 0;
  EXPECT_TRUE(page.Release());
  EXPECT_FALSE(TakesMemory(page));
  EXPECT_EQ(bytes[ZeroedPage::kSize - 1], 0);
}

TEST(ZeroedPage, CanBeMappedAgain) {
  ZeroedPage page;
  EXPECT_TRUE(page.Release());
  std::memset(page.Map(), 1, ZeroedPage::kSize);
  page.Unmap();
  EXPECT_EQ(page.get(), nullptr);
  EXPECT_EQ(static_cast<char*>(page.Map())[0], 0);
}

TEST(ZeroedPage, LeavesMappingsToOthers) {
  std::vector<ZeroedPage> pages(ZeroedPage::kMostOfProcess);
  for (ZeroedPage& page : pages) ASSERT_NE(page.Map(), nullptr);
  ZeroedPage another;
  EXPECT_EQ(another.Map(), nullptr);
  pages.front().Unmap();
  EXPECT_NE(another.Map(), nullptr);
}

}  // namespace
}  // namespace tulle::http2
