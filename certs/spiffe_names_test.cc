#include "certs/spiffe_names.h"

#include <gtest/gtest.h>

namespace tulle::certs {
namespace {

TEST(SpiffeNames, UrisAndPaths) {
  EXPECT_EQ(SpiffeUri("cluster.local"), "spiffe://cluster.local");
  EXPECT_EQ(SpiffeUri("cluster.local", kControlPlanePath),
            "spiffe://cluster.local/ns/tulle-system/sa/tulle-control");
}

TEST(SpiffeNames, OnlyTheWholeFormHasNames) {
  const WorkloadNames names = WorkloadNamesOf("spiffe://cluster.local/ns/shop/sa/post");
  EXPECT_EQ(names.namespace_name, "shop");
  EXPECT_EQ(names.account, "post");
  for (const char* other :
       {"", "spiffe://", "spiffe://cluster.local", "spiffe://cluster.local/post",
        "spiffe://cluster.local/ns/shop", "spiffe://cluster.local/ns/shop/sb/post",
        "spiffe://cluster.local/ns/shop/sa/post/1", "https://cluster.local/ns/shop/sa/post",
        "spiffe://cluster.local/ns/a/b/sa/post"}) {
    EXPECT_TRUE(WorkloadNamesOf(other).account.empty()) << other;
    EXPECT_TRUE(WorkloadNamesOf(other).namespace_name.empty()) << other;
  }
}

}  // namespace
}  // namespace tulle::certs
