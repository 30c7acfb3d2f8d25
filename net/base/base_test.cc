#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "net/base/arena.h"
#include "net/base/buffer.h"
#include "net/base/failure.h"
#include "net/base/intrusive_list.h"
#include "net/base/slab.h"
#include "net/base/socket_address.h"

namespace tulle {
namespace {

class LimitedMemory final : public MemorySource {
 public:
  void* Take(size_t size) override { return gives ? MemorySource::Take(size) : nullptr; }
  bool gives = true;
};

TEST(Slab, ServesFromItsReserveWhenTheSystemRefuses) {
  LimitedMemory memory;
  Slab slab(memory);
  EXPECT_FALSE(slab.short_of_memory());
  memory.gives = false;
  EXPECT_EQ(slab.TryAllocate(Slab::kLargest), nullptr);
  EXPECT_FALSE(slab.short_of_memory()) << "what may fail leaves the reserve alone";
  std::vector<void*> blocks;
  while (!slab.nearly_out()) blocks.push_back(slab.Allocate(Slab::kLargest));
  EXPECT_GE(blocks.size(), 8u);
  EXPECT_TRUE(slab.short_of_memory());
  memory.gives = true;
  EXPECT_FALSE(slab.short_of_memory());
  EXPECT_FALSE(slab.nearly_out());
  for (void* block : blocks) slab.Free(block, Slab::kLargest);
  EXPECT_EQ(slab.bytes_in_use(), 0u);
}

TEST(SlabDeathTest, EndsTheProcessWithAMessageWhenTheReserveIsUsedUp) {
  const auto use_up = [] {
    LimitedMemory memory;
    Slab slab(memory);
    memory.gives = false;
    while (true) slab.Allocate(Slab::kLargest);
  };
  EXPECT_EXIT(use_up(), testing::ExitedWithCode(71), "out of memory: .* exits");
}

TEST(Slab, GivesAlignedMemoryOfEveryClassAndTakesItBack) {
  Slab slab;
  for (size_t size : {1, 63, 64, 65, 1000, 4096, 16384, 65536, 70000}) {
    void* memory = slab.Allocate(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 16, 0u) << size;
    EXPECT_GE(Slab::Rounded(size), size);
    EXPECT_EQ(slab.bytes_in_use(), Slab::Rounded(size));
    slab.Free(memory, size);
    EXPECT_EQ(slab.bytes_in_use(), 0u);
  }
}

TEST(Slab, CountsExactBlocksAndReturnsFreeOnes) {
  Slab slab;
  void* exact = slab.TryAllocateExact(16410);
  EXPECT_EQ(slab.bytes_in_use(), 16410u);
  slab.FreeExact(exact, 16410);
  EXPECT_EQ(slab.bytes_in_use(), 0u);
  slab.Free(slab.Allocate(16384), 16384);
  const size_t reserved = slab.bytes_reserved();
  EXPECT_EQ(slab.Trim(), reserved);
  EXPECT_EQ(slab.bytes_reserved(), 0u);
}

TEST(Slab, ReturnsSmallBlocksAfterAPeak) {
  Slab slab;
  const size_t sizes[] = {64, 100, 512, 4096};
  std::vector<std::pair<void*, size_t>> blocks;
  for (int i = 0; i < 20'000; ++i) {
    const size_t size = sizes[i % 4];
    blocks.emplace_back(slab.Allocate(size), size);
  }
  const size_t peak = slab.bytes_reserved();
  slab.Trim();  // everything is in use
  EXPECT_EQ(slab.bytes_reserved(), peak);
  // One block of each size stays.
  for (size_t i = 4; i < blocks.size(); ++i) slab.Free(blocks[i].first, blocks[i].second);
  const size_t returned = slab.Trim();
  EXPECT_EQ(returned, peak - slab.bytes_reserved());
  EXPECT_LE(slab.bytes_reserved(), 4u * 32 * 1024);
  // What stayed is whole: old blocks and free lists can be used.
  for (size_t i = 0; i < 4; ++i) std::memset(blocks[i].first, 1, blocks[i].second);
  for (size_t i = 4; i < 4'000; ++i) {
    blocks[i].first = slab.Allocate(blocks[i].second);
    std::memset(blocks[i].first, 2, blocks[i].second);
  }
  for (size_t i = 0; i < 4'000; ++i) slab.Free(blocks[i].first, blocks[i].second);
  slab.Trim();
  EXPECT_EQ(slab.bytes_in_use(), 0u);
}

TEST(Slab, HasNoExactBlockWithoutMemory) {
  LimitedMemory memory;
  Slab slab(memory);
  memory.gives = false;
  EXPECT_EQ(slab.TryAllocateExact(4112), nullptr);
  EXPECT_EQ(slab.bytes_in_use(), 0u);
}

TEST(Arena, KeepsPiecesApartAndFreesAll) {
  Slab slab;
  Arena arena(slab);
  std::string_view a = arena.Copy("hello");
  std::string_view b = arena.Concat("x", a, std::string(5000, 'y'));
  EXPECT_EQ(a, "hello");
  EXPECT_EQ(b, "xhello" + std::string(5000, 'y'));
  EXPECT_EQ(*arena.New<int>(7), 7);
  arena.Clear();
  EXPECT_EQ(slab.bytes_in_use(), 0u);
}

// Oracle: a std::string that undergoes the same operations.
TEST(Buffer, AgreesWithAString) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Slab slab;
    {
      Buffer a(slab), b(slab);
      std::string sa, sb;
      for (int step = 0; step < 60; ++step) {
        const size_t n = random() % (step % 7 == 0 ? 40000 : 50);
        const std::string text(n, static_cast<char>('a' + step % 26));
        switch (random() % 7) {
          case 0:
            a.Append(text);
            sa += text;
            break;
          case 1:
            b.Append(a);
            sb += sa;
            sa.clear();
            break;
          case 2: {
            const size_t k = std::min(n, sb.size());
            a.AppendFront(b, k);
            sa += sb.substr(0, k);
            sb.erase(0, k);
            break;
          }
          case 3:
            b.AppendShared(a);
            sb += sa;
            break;
          case 4: {
            auto room = a.Reserve(n + 1);
            std::memcpy(room.data(), text.data(), n);
            a.Commit(n);
            sa += text;
            break;
          }
          case 5: {
            const size_t k = std::min(n, sa.size());
            a.Drain(k);
            sa.erase(0, k);
            break;
          }
          case 6: {
            const size_t k = std::min(n, sb.size());
            EXPECT_EQ(b.Linearize(k), sb.substr(0, k));
            break;
          }
        }
        ASSERT_EQ(a.size(), sa.size());
        ASSERT_EQ(b.size(), sb.size());
        if (sa.size() > 200000) {
          a.Clear();
          sa.clear();
        }
        if (sb.size() > 200000) {
          b.Clear();
          sb.clear();
        }
      }
      EXPECT_EQ(a.ToString(), sa);
      EXPECT_EQ(b.ToString(), sb);
    }
    EXPECT_EQ(slab.bytes_in_use(), 0u);
  }
}

TEST(Buffer, MovesBytesByReference) {
  Slab slab;
  Buffer a(slab), b(slab);
  a.Append("0123456789");
  const char* before = a.Front().data();
  b.AppendFront(a, 4);
  EXPECT_EQ(b.Front().data(), before);
  EXPECT_EQ(a.Front().data(), before + 4);
}

struct Item : ListNode<Item> {};

TEST(IntrusiveList, UnlinksOnDestruction) {
  IntrusiveList<Item> list;
  Item kept;
  list.PushBack(kept);
  {
    Item gone;
    list.PushFront(gone);
    EXPECT_EQ(&list.front(), &gone);
  }
  EXPECT_EQ(&list.front(), &kept);
  list.PopFront();
  EXPECT_TRUE(list.empty());
}

TEST(IntrusiveList, MovesAnElementToItsFront) {
  IntrusiveList<Item> list;
  Item first, second;
  list.PushBack(first);
  list.PushFront(first);  // it is the first already
  EXPECT_EQ(&list.front(), &first);
  list.PushBack(second);
  list.PushFront(second);
  EXPECT_EQ(&list.PopFront(), &second);
  EXPECT_EQ(&list.PopFront(), &first);
  EXPECT_TRUE(list.empty());
}

TEST(SocketAddress, ParsesAndPrints) {
  EXPECT_EQ(SocketAddress::ParseWithPort("127.0.0.1:80")->ToString(), "127.0.0.1:80");
  EXPECT_EQ(SocketAddress::ParseWithPort("[::1]:443")->ToString(), "[::1]:443");
  for (const char* bad : {"", ":80", "host:80", "::1:80", "127.0.0.1",
                          "127.0.0.1:", "127.0.0.1:66000", "127.0.0.1:8o"}) {
    EXPECT_FALSE(SocketAddress::ParseWithPort(bad)) << bad;
  }
  EXPECT_EQ(SocketAddress::Loopback4(1), *SocketAddress::Parse("127.0.0.1", 1));
  EXPECT_NE(SocketAddress::Loopback4(1), SocketAddress::Loopback4(2));
  EXPECT_TRUE(SocketAddress::Loopback4(1).is_loopback());
}

TEST(Failure, TableNamesWhatIsSafeToRetry) {
  EXPECT_EQ(FailureKind::kConnectRefused.facts().processed, Processed::kNo);
  EXPECT_EQ(FailureKind::kUpstreamClosed.facts().processed, Processed::kUnknown);
  EXPECT_EQ(FailureKind::kUpstreamReset.facts().status, 503);
}

TEST(Failure, KindsAreAnOpenSet) {
  static constexpr FailureFacts kFacts{
      FailureOrigin::kLocal, 418, 2, Processed::kNo, "-", "teapot", "", ""};
  const Failure failure{FailureKind(kFacts)};
  EXPECT_TRUE(failure);
  EXPECT_EQ(failure.facts().cause, "teapot");
  EXPECT_NE(failure.kind, FailureKind::kInternal);
  EXPECT_FALSE(Failure{});
  EXPECT_EQ(Failure{}.kind, FailureKind::kNone);
  EXPECT_EQ(Failure{}.facts().cause, "none");
}

}  // namespace
}  // namespace tulle
