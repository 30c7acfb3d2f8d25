#include "control-plane/registry/open_breakers.h"

#include <gtest/gtest.h>

namespace tulle::registry {
namespace {

constexpr char kShop[] = "spiffe://cluster.local/ns/default/sa/shop";

OpenBreaker Breaker(const std::string& endpoint) {
  return {"outbound|80||web.default.svc.cluster.local", endpoint, "connect_failed", 100};
}

OpenBreakers::Report Many(size_t count) {
  OpenBreakers::Report report{count, {}};
  for (size_t i = 0; i < count; ++i)
    report.items.push_back(Breaker("10.0.0.1:" + std::to_string(i)));
  return report;
}

size_t ItemsIn(const OpenBreakers& breakers) {
  size_t count = 0;
  breakers.ForEach([&](const std::string&, const OpenBreaker&) { ++count; });
  return count;
}

TEST(OpenBreakers, AReportReplacesTheOneBefore) {
  OpenBreakers breakers;
  breakers.Put("shop-1", kShop, Many(2));
  EXPECT_EQ(breakers.Of("shop-1").items[1], Breaker("10.0.0.1:1"));
  breakers.Put("shop-1", kShop, Many(1));
  EXPECT_EQ(breakers.Of("shop-1").count, 1);
  EXPECT_EQ(ItemsIn(breakers), 1);
  breakers.Put("shop-1", kShop, {});
  EXPECT_EQ(breakers.instances(), 0);
  EXPECT_EQ(breakers.Of("shop-1").count, 0);
}

TEST(OpenBreakers, AnInstanceThatLeftIsForgotten) {
  OpenBreakers breakers;
  breakers.Put("shop-1", kShop, Many(2));
  breakers.Forget("shop-1");
  breakers.Forget("shop-1");
  EXPECT_EQ(ItemsIn(breakers), 0);
}

TEST(OpenBreakers, TextThatIsNotPrintableOrTooLongIsLeftOut) {
  OpenBreakers breakers;
  OpenBreakers::Report report{4, {Breaker("10.0.0.1:80"), Breaker("10.0.0.2:80\n"), Breaker("")}};
  report.items.push_back(Breaker("10.0.0.3:80"));
  report.items.back().cluster = std::string(1000, 'x');
  breakers.Put("shop-1", kShop, report);
  EXPECT_EQ(breakers.Of("shop-1").count, 4);
  ASSERT_EQ(breakers.Of("shop-1").items.size(), 1);
  EXPECT_EQ(breakers.Of("shop-1").items[0], Breaker("10.0.0.1:80"));
}

TEST(OpenBreakers, OneInstanceOrIdentityCannotTakeAllRoom) {
  OpenBreakers breakers;
  breakers.Put("shop-1", kShop, Many(OpenBreakers::kMostItemsOfOneInstance + 1));
  EXPECT_EQ(breakers.Of("shop-1").count, OpenBreakers::kMostItemsOfOneInstance + 1);
  EXPECT_EQ(ItemsIn(breakers), 0);
  for (int i = 0; i < 1000; ++i) breakers.Put("shop-" + std::to_string(i), kShop, Many(64));
  EXPECT_LE(ItemsIn(breakers), OpenBreakers::kMostItemsOfOneIdentity);
  breakers.Put("web-1", "spiffe://cluster.local/ns/default/sa/web", Many(64));
  EXPECT_EQ(breakers.Of("web-1").items.size(), 64);
}

TEST(OpenBreakers, AreBoundedInAll) {
  OpenBreakers breakers;
  for (size_t i = 0; i < OpenBreakers::kMostInstances + 10; ++i) {
    const std::string number = std::to_string(i);
    breakers.Put("shop-" + number, kShop + number, Many(2));
  }
  EXPECT_EQ(breakers.instances(), OpenBreakers::kMostInstances);
  EXPECT_EQ(ItemsIn(breakers), OpenBreakers::kMostItems);
  for (size_t i = 0; i < OpenBreakers::kMostInstances; ++i)
    breakers.Forget("shop-" + std::to_string(i));
  breakers.Put("shop-1", kShop, Many(64));
  EXPECT_EQ(ItemsIn(breakers), 64) << "room that was given back is used again";
}

}  // namespace
}  // namespace tulle::registry
