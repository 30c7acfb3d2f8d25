#include "certs/trust_bundle.h"

#include <gtest/gtest.h>
#include <openssl/base64.h>

#include "certs/testing/fixtures.h"

namespace tulle::certs {
namespace {

using testing::TestCa;

std::string Base64(const std::string& bytes) {
  std::string out(bytes.size() * 2 + 4, '\0');
  out.resize(EVP_EncodeBlock(reinterpret_cast<std::uint8_t*>(out.data()),
                             reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
  return out;
}

std::string Entry(const TestCa& ca) {
  return R"({"kty":"EC","use":"x509-svid","x5c":[")" + Base64(ca.authority().certificate().der()) +
         R"(","ignored"]})";
}

TEST(TrustBundle, RootsAreKeptApartByDomain) {
  TestCa a("a"), b("b");
  TrustBundle bundle = a.Bundle();
  ASSERT_TRUE(bundle.Add("b", {b.authority().certificate()}).ok());
  EXPECT_EQ(bundle.RootsFor("a")->certificates.front().der(), a.authority().certificate().der());
  EXPECT_EQ(bundle.RootsFor("b")->certificates.front().der(), b.authority().certificate().der());
  EXPECT_EQ(bundle.RootsFor("c"), nullptr);
  EXPECT_EQ(bundle.RootsForUnnamed(), nullptr);
  EXPECT_EQ(bundle.trust_domains(), (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(bundle.Add("Not A Domain", {}).ok());
}

TEST(TrustBundle, CoversWhatAddsRootsOnly) {
  TestCa a("a"), other("a", 2), b("b");
  const Certificate &root = a.authority().certificate(), &next = other.authority().certificate();
  const TrustBundle narrow = a.Bundle();
  const TrustBundle wide = TrustBundle::OfDomain("a", {next, root});
  EXPECT_TRUE(narrow.Covers(narrow));
  EXPECT_TRUE(wide.Covers(narrow));
  EXPECT_FALSE(narrow.Covers(wide));
  // With another domain, peers without a SPIFFE ID have no roots.
  TrustBundle both = a.Bundle();
  ASSERT_TRUE(both.Add("b", {b.authority().certificate()}).ok());
  EXPECT_FALSE(both.Covers(narrow));
  EXPECT_FALSE(narrow.Covers(both));
  EXPECT_FALSE(a.AnyDomainBundle().Covers(narrow));
  EXPECT_TRUE(TrustBundle::OfAnyDomain({root, next}).Covers(a.AnyDomainBundle()));
  EXPECT_FALSE(a.AnyDomainBundle().Covers(TrustBundle::OfAnyDomain({root, next})));
}

TEST(TrustBundle, HashIsOfTheContentNotTheOrder) {
  TestCa a, b;
  const auto& x = a.authority().certificate();
  const auto& y = b.authority().certificate();
  const auto one = TrustBundle::OfDomain("td", {x, y});
  const auto two = TrustBundle::OfDomain("td", {y, x, y});
  EXPECT_EQ(one.ContentHash(), two.ContentHash());
  EXPECT_NE(one.ContentHash(), TrustBundle::OfDomain("td", {x}).ContentHash());
  EXPECT_NE(one.ContentHash(), TrustBundle::OfDomain("te", {x, y}).ContentHash());
  EXPECT_NE(one.ContentHash(), TrustBundle::OfAnyDomain({x, y}).ContentHash());
}

TEST(TrustBundle, RoundTripsThroughPem) {
  TestCa a, b;
  const auto bundle =
      TrustBundle::OfDomain("td", {a.authority().certificate(), b.authority().certificate()});
  const auto again = TrustBundle::FromPem("td", bundle.ToPem());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->ContentHash(), bundle.ContentHash());
  EXPECT_FALSE(TrustBundle::FromPem("td", "").ok());
}

TEST(TrustBundle, ReadsASpiffeBundle) {
  TestCa a, b;
  const auto roots = ParseSpiffeBundle(
      R"({"spiffe_sequence":3,"keys":[{"kty":"EC","use":"jwt-svid","kid":"1"},{"use":"new"},{},)" +
      Entry(a) + "," + Entry(b) + "]}");
  ASSERT_TRUE(roots.ok()) << roots.status();
  ASSERT_EQ(roots->size(), 2u);
  EXPECT_EQ((*roots)[1].der(), b.authority().certificate().der());
  const auto revoked = ParseSpiffeBundle(R"({"keys":[]})");
  ASSERT_TRUE(revoked.ok());
  EXPECT_TRUE(revoked->empty());
}

TEST(TrustBundle, ReadsABundleMap) {
  TestCa a("a"), b("b");
  const auto bundle = ParseSpiffeBundleMap(R"({"trust_domains":{"a":{"keys":[)" + Entry(a) +
                                           R"(]},"b":{"keys":[)" + Entry(b) + "]}}}");
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  EXPECT_EQ(bundle->RootsFor("b")->certificates.size(), 1u);
  EXPECT_EQ(bundle->RootsFor("c"), nullptr);
}

TEST(TrustBundle, DamagedBundlesAreRefused) {
  TestCa a;
  std::string with_kid = Entry(a);
  with_kid.insert(1, R"("kid":"x",)");
  for (const std::string& json :
       {std::string(), std::string("[]"), std::string("{"), std::string("{}"),
        std::string(R"({"keys":{}})"), std::string(R"({"keys":[1]})"),
        std::string(R"({"keys":[{"use":"x509-svid"}]})"),
        std::string(R"({"keys":[{"use":"x509-svid","x5c":[""]}]})"),
        std::string(R"({"keys":[{"use":"x509-svid","x5c":["!!"]}]})"),
        R"({"keys":[)" + with_kid + "]}"}) {
    EXPECT_FALSE(ParseSpiffeBundle(json).ok()) << json;
  }
  EXPECT_FALSE(ParseSpiffeBundleMap(R"({"trust_domains":{"A B":{"keys":[]}}})").ok());
}

}  // namespace
}  // namespace tulle::certs
