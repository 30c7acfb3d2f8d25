#include "sidecar/route/upgrade.h"

#include <gtest/gtest.h>

#include <vector>

namespace tulle::route {
namespace {

TEST(Upgrade, UnlistedTypesAreRefused) {
  EXPECT_FALSE(MayUpgrade("websocket", {}, {}));
  const std::vector<UpgradeSpec> other{{"tcp", true}};
  EXPECT_FALSE(MayUpgrade("websocket", other, other));
  EXPECT_FALSE(MayUpgrade("", other, other));
  EXPECT_FALSE(MayUpgrade("tcp, websocket", other, other)) << "a list is a type that nobody names";
}

TEST(Upgrade, ATypeIsComparedWithoutCase) {
  const std::vector<UpgradeSpec> listener{{"WebSocket", true}};
  EXPECT_TRUE(MayUpgrade("websocket", listener, {}));
  EXPECT_TRUE(MayUpgrade("WEBSOCKET", listener, {}));
}

TEST(Upgrade, TheRouteWinsForTheTypesThatItNames) {
  const std::vector<UpgradeSpec> listener{{"websocket", true}, {"tcp", false}};
  const std::vector<UpgradeSpec> route{{"websocket", false}, {"tcp", true}};
  EXPECT_FALSE(MayUpgrade("websocket", listener, route));
  EXPECT_TRUE(MayUpgrade("tcp", listener, route));
  const std::vector<UpgradeSpec> silent{{"other", true}};
  EXPECT_TRUE(MayUpgrade("websocket", listener, silent));
  EXPECT_FALSE(MayUpgrade("tcp", listener, silent));
}

}  // namespace
}  // namespace tulle::route
