#include "certs/authority.h"

#include <gtest/gtest.h>

#include "certs/csr.h"
#include "certs/trust_bundle.h"
#include "certs/verify_peer.h"

namespace tulle::certs {
namespace {

constexpr std::int64_t kNow = 1'790'000'000;
const SpiffeId kPost = *SpiffeId::ForWorkload("cluster.local", "default", "post");

class AuthorityTest : public ::testing::Test {
 protected:
  VerifyResult Verify(const Certificate& leaf, const TrustBundle& bundle, std::int64_t now) {
    const std::string_view chain[] = {leaf.der()};
    return VerifyPeer(chain, bundle, now, {});
  }

  SystemKeySource keys_;
  PrivateKey key_ = keys_.Generate();
  Authority ca_ = *Authority::CreateRoot("cluster.local", keys_, kNow);
  TrustBundle bundle_ = TrustBundle::OfDomain("cluster.local", {ca_.certificate()});
};

TEST_F(AuthorityTest, IssuesWhatVerifyPeerAccepts) {
  const auto leaf = ca_.Issue({kPost, key_.native(), kSvidLifetimeSeconds, {}, {}}, keys_, kNow);
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  const auto verdict = Verify(*leaf, bundle_, kNow);
  ASSERT_TRUE(std::holds_alternative<PeerIdentity>(verdict));
  EXPECT_EQ(std::get<PeerIdentity>(verdict).id, kPost);
}

TEST_F(AuthorityTest, SurvivesAReload) {
  const auto reloaded = Authority::FromPem(ca_.certificate().ToPem(), ca_.key().ToPem());
  ASSERT_TRUE(reloaded.ok()) << reloaded.status();
  EXPECT_EQ(reloaded->trust_domain(), "cluster.local");
  const auto leaf =
      reloaded->Issue({kPost, key_.native(), kSvidLifetimeSeconds, {}, {}}, keys_, kNow);
  EXPECT_TRUE(std::holds_alternative<PeerIdentity>(Verify(*leaf, bundle_, kNow)));
}

TEST_F(AuthorityTest, RefusesAKeyThatIsNotItsOwn) {
  EXPECT_FALSE(Authority::FromPem(ca_.certificate().ToPem(), key_.ToPem()).ok());
  const auto leaf = ca_.Issue({kPost, key_.native(), kSvidLifetimeSeconds, {}, {}}, keys_, kNow);
  EXPECT_FALSE(Authority::FromPem(leaf->ToPem(), key_.ToPem()).ok());
}

TEST_F(AuthorityTest, NoCertificateOutlivesItsIssuer) {
  const auto ca = *Authority::CreateRoot("cluster.local", keys_, kNow, 3600);
  const auto leaf = ca.Issue({kPost, key_.native(), kSvidLifetimeSeconds, {}, {}}, keys_, kNow);
  ASSERT_TRUE(leaf.ok());
  EXPECT_EQ(leaf->not_after(), ca.certificate().not_after());
  EXPECT_FALSE(
      ca.Issue({kPost, key_.native(), kSvidLifetimeSeconds, {}, {}}, keys_, kNow + 3600).ok());
}

TEST_F(AuthorityTest, IssuesForItsOwnTrustDomainOnly) {
  const auto other = *SpiffeId::ForWorkload("other", "default", "post");
  const auto domain = *SpiffeId::ForTrustDomain("cluster.local");
  EXPECT_FALSE(ca_.Issue({other, key_.native(), 60, {}, {}}, keys_, kNow).ok());
  EXPECT_FALSE(ca_.Issue({domain, key_.native(), 60, {}, {}}, keys_, kNow).ok());
  EXPECT_FALSE(ca_.Issue({kPost, key_.native(), 60, {}, {"not an address"}}, keys_, kNow).ok());
}

TEST_F(AuthorityTest, Fault40_SansOfTheRequestAreIgnored) {
  const auto admin = *SpiffeId::ForWorkload("cluster.local", "kube-system", "admin");
  const auto request = CertificateRequest::Parse(BuildCertificateRequest(key_, admin));
  ASSERT_TRUE(request.ok());
  const auto leaf = ca_.Issue({kPost, request->public_key(), 3600, {}, {}}, keys_, kNow);
  ASSERT_TRUE(leaf.ok());
  EXPECT_EQ(leaf->uri_sans(), std::vector<std::string>{kPost.ToString()});
  EXPECT_FALSE(leaf->is_ca());
}

TEST_F(AuthorityTest, RootsRotateWithOverlap) {
  const auto next = *Authority::CreateRoot("cluster.local", keys_, kNow);
  const auto old_leaf = *ca_.Issue({kPost, key_.native(), 3600, {}, {}}, keys_, kNow);
  const auto new_leaf = *next.Issue({kPost, key_.native(), 3600, {}, {}}, keys_, kNow);
  EXPECT_TRUE(std::holds_alternative<VerifyError>(Verify(new_leaf, bundle_, kNow)));
  ASSERT_TRUE(bundle_.Add("cluster.local", {next.certificate()}).ok());
  EXPECT_TRUE(std::holds_alternative<PeerIdentity>(Verify(old_leaf, bundle_, kNow)));
  EXPECT_TRUE(std::holds_alternative<PeerIdentity>(Verify(new_leaf, bundle_, kNow)));
  const auto only_new = TrustBundle::OfDomain("cluster.local", {next.certificate()});
  EXPECT_TRUE(std::holds_alternative<VerifyError>(Verify(old_leaf, only_new, kNow)));
}

TEST_F(AuthorityTest, EqualSeedsGiveEqualCertificates) {
  SeededKeySource a(5), b(5);
  EXPECT_EQ(Authority::CreateRoot("td", a, kNow)->certificate().der(),
            Authority::CreateRoot("td", b, kNow)->certificate().der());
}

}  // namespace
}  // namespace tulle::certs
