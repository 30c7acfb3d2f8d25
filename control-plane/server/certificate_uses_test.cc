#include "control-plane/server/certificate_uses.h"

#include <gtest/gtest.h>

namespace tulle::server {
namespace {

const std::string kOne(64, 'a');
const std::string kOther(64, 'b');

TEST(CertificateUsesTest, OneProxyThatComesAgainIsOneUse) {
  CertificateUses uses;
  EXPECT_FALSE(uses.OnConnected(kOne, {"post-1", "10.0.0.1"}));
  EXPECT_FALSE(uses.OnConnected(kOne, {"post-1", "10.0.0.1"}));
  EXPECT_FALSE(uses.OnConnected(kOther, {"post-2", "10.0.0.1"}));
}

TEST(CertificateUsesTest, AnotherNodeOrHostIsReported) {
  CertificateUses uses;
  uses.OnConnected(kOne, {"post-1", "10.0.0.1"});
  const auto node = uses.OnConnected(kOne, {"post-2", "10.0.0.1"});
  ASSERT_TRUE(node);
  EXPECT_EQ(node->node, "post-1");
  const auto host = uses.OnConnected(kOne, {"post-2", "10.0.0.9"});
  ASSERT_TRUE(host);
  EXPECT_EQ(host->host, "10.0.0.1");
}

TEST(CertificateUsesTest, WhoHasDisconnectedUsesItNoMore) {
  CertificateUses uses;
  uses.OnConnected(kOne, {"post-1", "10.0.0.1"});
  uses.OnDisconnected(kOne, "post-1");
  EXPECT_FALSE(uses.OnConnected(kOne, {"post-1", "10.0.0.2"}));
  // The end of a former use is not that of the present one.
  uses.OnDisconnected(kOne, "post-0");
  EXPECT_TRUE(uses.OnConnected(kOne, {"post-2", "10.0.0.2"}));
}

}  // namespace
}  // namespace tulle::server
