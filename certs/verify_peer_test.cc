#include "certs/verify_peer.h"

#include <gtest/gtest.h>

#include "certs/testing/fixtures.h"

namespace tulle::certs {
namespace {

using testing::BadLeaf;
using testing::kNow;
using testing::TestCa;
using testing::TestIdentity;

class VerifyPeerTest : public ::testing::Test {
 protected:
  VerifyResult Verify(const TestIdentity& peer, const TrustBundle& bundle, VerifyRules rules = {}) {
    const auto der = peer.Der();
    return VerifyPeer(der, bundle, kNow, rules);
  }

  // The failure in both roles, which must be the same.
  VerifyFailure Refusal(const TestIdentity& peer, const TrustBundle& bundle) {
    auto as_client = Verify(peer, bundle, {.role = PeerRole::kClient});
    auto as_server = Verify(peer, bundle, {.role = PeerRole::kServer});
    if (!std::holds_alternative<VerifyError>(as_client) ||
        !std::holds_alternative<VerifyError>(as_server)) {
      ADD_FAILURE() << "accepted";
      return VerifyFailure::kNoCertificate;
    }
    EXPECT_FALSE(std::get<VerifyError>(as_client).detail.empty());
    EXPECT_EQ(std::get<VerifyError>(as_client).failure, std::get<VerifyError>(as_server).failure);
    return std::get<VerifyError>(as_client).failure;
  }

  VerifyFailure Refusal(BadLeaf kind) { return Refusal(ca_.Bad(kind), ca_.Bundle()); }

  TestCa ca_;
};

TEST_F(VerifyPeerTest, AcceptsAWorkloadInBothRoles) {
  const auto peer = ca_.Workload("post", "shop", {"post.shop"});
  for (const PeerRole role : {PeerRole::kClient, PeerRole::kServer}) {
    const auto result = Verify(peer, ca_.Bundle(), {.role = role});
    ASSERT_TRUE(std::holds_alternative<PeerIdentity>(result));
    const auto& identity = std::get<PeerIdentity>(result);
    EXPECT_EQ(identity.id->ToString(), "spiffe://cluster.local/ns/shop/sa/post");
    EXPECT_EQ(identity.leaf.sha256(), peer.chain.front().sha256());
  }
}

TEST_F(VerifyPeerTest, Fault34_NoCertificateIsRefused) {
  const auto result = VerifyPeer({}, ca_.Bundle(), kNow, {});
  EXPECT_EQ(std::get<VerifyError>(result).failure, VerifyFailure::kNoCertificate);
}

TEST_F(VerifyPeerTest, Fault34_ExpiredIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kExpired), VerifyFailure::kExpired);
}

TEST_F(VerifyPeerTest, Fault34_NotYetValidIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kNotYetValid), VerifyFailure::kNotYetValid);
}

TEST_F(VerifyPeerTest, Fault34_ValidityEndsWithTheRoot) {
  const auto peer = ca_.Workload("post");
  const auto der = peer.Der();
  const auto after = ca_.authority().certificate().not_after() + 1;
  EXPECT_TRUE(std::holds_alternative<VerifyError>(VerifyPeer(der, ca_.Bundle(), after, {})));
}

TEST_F(VerifyPeerTest, Fault35_OtherCaIsRefused) {
  TestCa other("cluster.local", 2);
  EXPECT_EQ(Refusal(other.Workload("post"), ca_.Bundle()), VerifyFailure::kUnknownAuthority);
}

TEST_F(VerifyPeerTest, Fault35_RightCaOtherTrustDomainIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kOtherTrustDomain), VerifyFailure::kUnknownDomain);
}

TEST_F(VerifyPeerTest, Fault35_FederatedCaCannotVouchForAnotherDomain) {
  TestCa other("other.domain", 2);
  TrustBundle both = ca_.Bundle();
  ASSERT_TRUE(both.Add("other.domain", {other.authority().certificate()}).ok());
  EXPECT_TRUE(std::holds_alternative<PeerIdentity>(Verify(other.Workload("post"), both)));
  EXPECT_EQ(Refusal(ca_.Bad(BadLeaf::kOtherTrustDomain), both), VerifyFailure::kUnknownAuthority);
}

TEST_F(VerifyPeerTest, Fault36_TwoUriSansAreRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kTwoUriSans), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_NoUriSanIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kNoUriSan), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_UpperCaseSchemeIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kUpperCaseScheme), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_DotDotSegmentIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kDotDotSegment), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_PercentEncodingIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kPercentEncoding), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_QueryIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kQuery), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_PortIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kPort), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_UserInfoIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kUserInfo), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_FragmentIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kFragment), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_EmptyPathIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kEmptyPath), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault36_PrefixDomainIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kPrefixDomain), VerifyFailure::kUnknownDomain);
}

TEST_F(VerifyPeerTest, Fault37_CaCertificateAsLeafIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kIsAuthority), VerifyFailure::kIsAuthority);
}

TEST_F(VerifyPeerTest, Fault37_TheRootItselfIsRefused) {
  const TestIdentity root{{ca_.authority().certificate()}, ca_.authority().key()};
  EXPECT_EQ(Refusal(root, ca_.Bundle()), VerifyFailure::kBadSpiffeId);
}

TEST_F(VerifyPeerTest, Fault37_KeyCertSignOnALeafIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kMayCertSign), VerifyFailure::kIsAuthority);
}

TEST_F(VerifyPeerTest, Fault37_ServerAuthOnlyIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kServerAuthOnly), VerifyFailure::kBadUsage);
}

TEST_F(VerifyPeerTest, Fault37_NoDigitalSignatureIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kNoDigitalSignature), VerifyFailure::kBadUsage);
}

TEST_F(VerifyPeerTest, Fault37_SelfSignedIsRefused) {
  EXPECT_EQ(Refusal(BadLeaf::kSelfSigned), VerifyFailure::kUnknownAuthority);
}

// TLS proves possession of the key; the chain's signatures are checked here.
TEST_F(VerifyPeerTest, Fault37_DamagedSignatureIsRefused) {
  const auto peer = ca_.Workload("post");
  std::string der = peer.chain.front().der();
  der.back() = static_cast<char>(der.back() ^ 1);
  const std::string_view chain[] = {der};
  const auto result = VerifyPeer(chain, ca_.Bundle(), kNow, {});
  ASSERT_TRUE(std::holds_alternative<VerifyError>(result));
  EXPECT_EQ(std::get<VerifyError>(result).failure, VerifyFailure::kBadSignature);
}

TEST_F(VerifyPeerTest, Fault37_KeyMismatchIsSeenWhenAnIdentityIsLoaded) {
  const auto peer = ca_.Bad(BadLeaf::kKeyMismatch);
  EXPECT_FALSE(Matches(peer.chain.front(), peer.key.native()));
}

TEST_F(VerifyPeerTest, BadKindsStayBadForABundleOfAnyDomain) {
  for (const BadLeaf kind :
       {BadLeaf::kExpired, BadLeaf::kTwoUriSans, BadLeaf::kDotDotSegment, BadLeaf::kIsAuthority,
        BadLeaf::kServerAuthOnly, BadLeaf::kSelfSigned, BadLeaf::kUpperCaseScheme}) {
    for (const bool require : {true, false}) {
      const auto result = Verify(ca_.Bad(kind), ca_.AnyDomainBundle(), {.require_spiffe = require});
      EXPECT_TRUE(std::holds_alternative<VerifyError>(result)) << static_cast<int>(kind);
    }
  }
  EXPECT_TRUE(std::holds_alternative<PeerIdentity>(
      Verify(ca_.Bad(BadLeaf::kOtherTrustDomain), ca_.AnyDomainBundle())));
}

TEST_F(VerifyPeerTest, SanMatchersAreCheckedLast) {
  const SanMatcher post[] = {SanMatcher::ExactUri("spiffe://cluster.local/ns/default/sa/post")};
  EXPECT_TRUE(std::holds_alternative<PeerIdentity>(
      Verify(ca_.Workload("post"), ca_.Bundle(), {.san_matchers = post})));
  const auto other = Verify(ca_.Workload("image"), ca_.Bundle(), {.san_matchers = post});
  EXPECT_EQ(std::get<VerifyError>(other).failure, VerifyFailure::kNameNotAllowed);
}

TEST_F(VerifyPeerTest, WebServersAreAcceptedOnlyWithoutSpiffe) {
  const auto web = ca_.WebServer("shop.example");
  const VerifyRules plain{.role = PeerRole::kServer, .require_spiffe = false};
  const auto accepted = Verify(web, ca_.AnyDomainBundle(), plain);
  ASSERT_TRUE(std::holds_alternative<PeerIdentity>(accepted));
  EXPECT_FALSE(std::get<PeerIdentity>(accepted).id.has_value());
  EXPECT_EQ(std::get<VerifyError>(Verify(web, ca_.AnyDomainBundle())).failure,
            VerifyFailure::kBadSpiffeId);
  const auto as_client =
      Verify(web, ca_.AnyDomainBundle(), {.role = PeerRole::kClient, .require_spiffe = false});
  EXPECT_EQ(std::get<VerifyError>(as_client).failure, VerifyFailure::kBadUsage);
  const SanMatcher host[] = {SanMatcher::ExactDns("other.example")};
  const auto other_host =
      Verify(web, ca_.AnyDomainBundle(),
             {.role = PeerRole::kServer, .require_spiffe = false, .san_matchers = host});
  EXPECT_EQ(std::get<VerifyError>(other_host).failure, VerifyFailure::kNameNotAllowed);
}

TEST_F(VerifyPeerTest, GarbageAndOverlongChainsAreRefused) {
  const std::string_view garbage[] = {"not a certificate"};
  EXPECT_EQ(std::get<VerifyError>(VerifyPeer(garbage, ca_.Bundle(), kNow, {})).failure,
            VerifyFailure::kMalformed);
  const auto peer = ca_.Workload("post");
  const std::vector<std::string_view> chain(11, peer.chain.front().der());
  EXPECT_EQ(std::get<VerifyError>(VerifyPeer(chain, ca_.Bundle(), kNow, {})).failure,
            VerifyFailure::kBadChain);
}

TEST_F(VerifyPeerTest, AnEmptyBundleTrustsNoPeer) {
  EXPECT_EQ(Refusal(ca_.Workload("post"), TrustBundle()), VerifyFailure::kUnknownDomain);
}

}  // namespace
}  // namespace tulle::certs
