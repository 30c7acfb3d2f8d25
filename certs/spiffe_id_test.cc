#include "certs/spiffe_id.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::certs {
namespace {

TEST(SpiffeId, PartsOfAWorkloadId) {
  const auto id = SpiffeId::Parse("spiffe://cluster.local/ns/shop/sa/post");
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->trust_domain(), "cluster.local");
  EXPECT_EQ(id->path(), "/ns/shop/sa/post");
  EXPECT_EQ(id->namespace_name(), "shop");
  EXPECT_EQ(id->service_account(), "post");
  EXPECT_EQ(*id, *SpiffeId::ForWorkload("cluster.local", "shop", "post"));
}

TEST(SpiffeId, IsWrittenWithALowerCaseScheme) {
  const auto id = SpiffeId::Parse("SPIFFE://td/x");
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(id->ToString(), "spiffe://td/x");
}

TEST(SpiffeId, TrustDomainIdHasNoPath) {
  const auto id = SpiffeId::ForTrustDomain("10.0.0.1");
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(id->ToString(), "spiffe://10.0.0.1");
  EXPECT_EQ(id->path(), "");
}

TEST(SpiffeId, OtherPathsHaveNoNamespace) {
  for (const char* uri : {"spiffe://td", "spiffe://td/ns/a", "spiffe://td/ns/a/sa/b/c",
                          "spiffe://td/ns/a/xx/b", "spiffe://td/workload"}) {
    const auto id = SpiffeId::Parse(uri);
    ASSERT_TRUE(id.ok()) << uri;
    EXPECT_FALSE(id->namespace_name().has_value()) << uri;
    EXPECT_FALSE(id->service_account().has_value()) << uri;
  }
}

TEST(SpiffeId, Fault36_InvalidFormsAreRefused) {
  for (const std::string uri : {"",
                                "spiffe:",
                                "spiffe://",
                                "spiffe:///x",
                                "http://td/x",
                                "spiffe:/td/x",
                                "spiffe://TD/x",
                                "spiffe://td/",
                                "spiffe://td/a/",
                                "spiffe://td//a",
                                "spiffe://td/a//b",
                                "spiffe://td/.",
                                "spiffe://td/..",
                                "spiffe://td/a/../b",
                                "spiffe://td/a%2Fb",
                                "spiffe://t%64/a",
                                "spiffe://td/a?b",
                                "spiffe://td?b",
                                "spiffe://td/a#b",
                                "spiffe://td:443/a",
                                "spiffe://me@td/a",
                                "spiffe://td/a b",
                                "spiffe://td/\xc3\xa9",
                                "spiffe://[::1]/a"}) {
    EXPECT_FALSE(SpiffeId::Parse(uri).ok()) << uri;
  }
  EXPECT_FALSE(SpiffeId::Parse(std::string_view("spiffe://td/a\0b", 15)).ok());
}

TEST(SpiffeId, LengthsAreBounded) {
  const std::string head = "spiffe://td/";
  EXPECT_TRUE(SpiffeId::Parse(head + std::string(2048 - head.size(), 'a')).ok());
  EXPECT_FALSE(SpiffeId::Parse(head + std::string(2049 - head.size(), 'a')).ok());
  EXPECT_TRUE(SpiffeId::ForTrustDomain(std::string(255, 'a')).ok());
  EXPECT_FALSE(SpiffeId::ForTrustDomain(std::string(256, 'a')).ok());
}

TEST(SpiffeId, PartsCannotSmuggleASlash) {
  EXPECT_FALSE(SpiffeId::ForWorkload("td", "a/sa/b", "c").ok());
  EXPECT_FALSE(SpiffeId::ForWorkload("td/x", "a", "c").ok());
  EXPECT_FALSE(SpiffeId::ForWorkload("td", "", "c").ok());
}

}  // namespace
}  // namespace tulle::certs
