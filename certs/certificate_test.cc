#include "certs/certificate.h"

#include <gtest/gtest.h>

#include "certs/authority.h"
#include "certs/testing/fixtures.h"

namespace tulle::certs {
namespace {

using testing::kNow;
using testing::TestCa;

TEST(Certificate, FactsOfALeaf) {
  TestCa ca;
  SystemKeySource keys;
  const PrivateKey key = keys.Generate();
  const auto leaf = ca.authority().Issue({.id = *SpiffeId::Parse("spiffe://cluster.local/control"),
                                          .public_key = key.native(),
                                          .dns_names = {"tulle-control", "localhost"},
                                          .ip_addresses = {"127.0.0.1", "::1"}},
                                         keys, kNow);
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  EXPECT_EQ(leaf->uri_sans(), std::vector<std::string>{"spiffe://cluster.local/control"});
  EXPECT_EQ(leaf->dns_sans(), (std::vector<std::string>{"tulle-control", "localhost"}));
  EXPECT_EQ(leaf->ip_sans(), (std::vector<std::string>{"127.0.0.1", "::1"}));
  EXPECT_EQ(leaf->not_before(), kNow - 300);
  EXPECT_EQ(leaf->not_after(), kNow + 86400);
  EXPECT_EQ(leaf->subject(), "");
  EXPECT_TRUE(leaf->san_is_critical());
  EXPECT_FALSE(leaf->is_ca());
  EXPECT_EQ(leaf->serial().size(), 32u);
  EXPECT_EQ(leaf->sha256(), HexSha256(leaf->der()));
  EXPECT_TRUE(Matches(*leaf, key.native()));
  EXPECT_FALSE(Matches(*leaf, keys.Generate().native()));
}

TEST(Certificate, SubjectIsWrittenAsRfc2253) {
  TestCa ca;
  EXPECT_EQ(ca.WebServer("shop.example").chain.front().subject(), "CN=shop.example");
}

TEST(Certificate, ChainsRoundTripThroughPem) {
  TestCa ca;
  const auto leaf = ca.Workload("post");
  const std::string pem =
      "a comment\n" + leaf.ChainPem() + leaf.key.ToPem() + ca.authority().certificate().ToPem();
  const auto chain = ParsePemCertificates(pem);
  ASSERT_TRUE(chain.ok()) << chain.status();
  ASSERT_EQ(chain->size(), 2u);
  EXPECT_EQ((*chain)[0].der(), leaf.chain.front().der());
  EXPECT_EQ((*chain)[1].der(), ca.authority().certificate().der());
}

TEST(Certificate, BadTextsAreRefused) {
  TestCa ca;
  const std::string pem = ca.authority().certificate().ToPem();
  const std::string& der = ca.authority().certificate().der();
  EXPECT_FALSE(ParsePemCertificates("").ok());
  EXPECT_FALSE(ParsePemCertificates(pem.substr(0, pem.size() / 2)).ok());
  EXPECT_FALSE(ParsePemCertificates(pem, {.max_bytes = 100}).ok());
  EXPECT_FALSE(ParsePemCertificates(pem + pem, {.max_blocks = 1}).ok());
  EXPECT_FALSE(Certificate::FromDer("").ok());
  EXPECT_FALSE(Certificate::FromDer(der + "x").ok());
  for (std::size_t cut = 0; cut < der.size(); ++cut) {
    EXPECT_FALSE(Certificate::FromDer(std::string_view(der).substr(0, cut)).ok()) << cut;
  }
}

}  // namespace
}  // namespace tulle::certs
