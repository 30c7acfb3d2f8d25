#include "telemetry/called_service.h"

#include <gtest/gtest.h>

namespace tulle::telemetry {
namespace {

// A route of the service post has sent it to a version of it.
constexpr CalledService kBehindARoute = {"post-v1.shop.svc.cluster.local", "post:8080", "shop"};

TEST(CalledService, HasTheNameThatAnsweredAndTheOneThatWasCalled) {
  for (const char* wanted : {"post-v1", "post-v1.shop", "post-v1.shop.svc.cluster.local", "post",
                             "post:8080", "post.shop", "post.shop.svc.cluster.local"}) {
    EXPECT_TRUE(IsCalled(kBehindARoute, wanted)) << wanted;
  }
  for (const char* wanted :
       {"pos", "post-v", "post.bank", "post:80", "shop", "post-v1.sh", "post."})
    EXPECT_FALSE(IsCalled(kBehindARoute, wanted)) << wanted;
}

TEST(CalledService, AShortNameIsOfTheCallersNamespace) {
  EXPECT_FALSE(IsCalled({"", "post", ""}, "post.shop")) << "nobody knows whose";
  EXPECT_FALSE(IsCalled({"", "post.bank", "shop"}, "post.shop"));
  EXPECT_TRUE(IsCalled({"", "post.bank", "shop"}, "post.bank"));
}

TEST(CalledService, IsOfTheNamespaceOfItsHost) {
  EXPECT_TRUE(IsInNamespace(kBehindARoute, "shop"));
  EXPECT_TRUE(IsInNamespace({"cart.bank.svc.x", "cart", "shop"}, "bank"));
  EXPECT_FALSE(IsInNamespace({"cart.bank.svc.x", "cart", "shop"}, "shop"));
  EXPECT_TRUE(IsInNamespace({"", "cart:80", "shop"}, "shop")) << "no service was chosen";
  EXPECT_TRUE(IsInNamespace({"", "cart.bank:80", "shop"}, "bank"));
  EXPECT_FALSE(IsInNamespace({"", "", ""}, "shop"));
}

}  // namespace
}  // namespace tulle::telemetry
