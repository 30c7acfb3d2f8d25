// How much of what others write is looked at.
#include "control-plane/kubernetes/slice_index.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace tulle::kubernetes {
namespace {

SliceFacts Facts(const std::string& ns, const std::string& id, bool is_pod) {
  SliceFacts facts;
  facts.service = {ns, "web"};
  EndpointFacts& endpoint = facts.endpoints[id];
  endpoint.address = "10.1.0.1";
  endpoint.is_pod = is_pod;
  return facts;
}

TEST(SliceIndexTest, OfManySlicesThatNameAWorkloadSomeCount) {
  SliceIndex index;
  for (int i = 0; i < 1000; ++i) {
    index.Set({"shop", absl::StrCat("s", i)}, Facts("shop", "u1", true));
    index.Set({"other", absl::StrCat("s", i)}, Facts("other", "u1", true));
  }
  EXPECT_EQ(index.Naming("shop", "u1").size(), SliceIndex::kMostSlicesOfWorkload);
  index.Set({"third", "s"}, Facts("third", "u1", true));
  ASSERT_EQ(index.Naming("third", "u1").size(), 1u);
  EXPECT_EQ(index.Naming("third", "u1")[0].slice.service.ns, "third");
}

TEST(SliceIndexTest, AChangeTouchesThoseThatCountAtItsAddress) {
  SliceIndex index;
  const auto id = [](int i) { return absl::StrCat("shop/s", i, "/10.1.0.1"); };
  for (int i = 100; i < 200; ++i) {
    index.Set({"shop", absl::StrCat("s", i)}, Facts("shop", id(i), false));
  }
  constexpr size_t kMost = SliceIndex::kMostByHandAtAddress;
  EXPECT_EQ(index.ByHandAt("shop", "10.1.0.1").size(), kMost);
  EXPECT_TRUE(index.ByHandAt("other", "10.1.0.1").empty());
  // The first goes, and another one counts.
  const std::string next = id(100 + static_cast<int>(kMost));
  SliceIndex::Touched touched = index.Set({"shop", "s100"}, std::nullopt);
  EXPECT_EQ(touched.ids.size(), kMost + 1);
  EXPECT_TRUE(touched.ids.contains(next));
  // It comes back.
  touched = index.Set({"shop", "s100"}, Facts("shop", id(100), false));
  EXPECT_EQ(touched.ids.size(), kMost + 1);
  EXPECT_TRUE(touched.ids.contains(next));
}

}  // namespace
}  // namespace tulle::kubernetes
