#include "certs/revocation_list.h"

#include <gtest/gtest.h>

#include "certs/private_key.h"
#include "certs/spiffe_id.h"
#include "certs/trust_bundle.h"
#include "certs/verify_peer.h"

namespace tulle::certs {
namespace {

constexpr std::int64_t kNow = 1'790'000'000;

class RevocationListTest : public ::testing::Test {
 protected:
  Certificate Issue(const Authority& ca) {
    const SpiffeId id = *SpiffeId::ForWorkload("cluster.local", "default", "post");
    return *ca.Issue({id, key_.native()}, keys_, kNow);
  }

  std::string ListOf(const Authority& ca, std::vector<const Certificate*> revoked) {
    std::vector<RevokedSerial> serials;
    for (const Certificate* each : revoked) serials.push_back({each->serial(), kNow});
    return *IssueRevocationList(ca, serials, kNow);
  }

  std::optional<VerifyFailure> Verify(const Certificate& leaf, const TrustBundle& bundle) {
    const std::string_view chain[] = {leaf.der()};
    const auto verdict = VerifyPeer(chain, bundle, kNow, {});
    const auto* error = std::get_if<VerifyError>(&verdict);
    return error == nullptr ? std::nullopt : std::optional(error->failure);
  }

  TrustBundle Bundle() {
    return TrustBundle::OfDomain("cluster.local", {ca_.certificate(), other_.certificate()});
  }

  SystemKeySource keys_;
  PrivateKey key_ = keys_.Generate();
  Authority ca_ = *Authority::CreateRoot("cluster.local", keys_, kNow);
  Authority other_ = *Authority::CreateRoot("cluster.local", keys_, kNow);
};

TEST_F(RevocationListTest, APeerThatItNamesIsRefused) {
  const Certificate revoked = Issue(ca_);
  const Certificate valid = Issue(ca_);
  TrustBundle bundle = Bundle();
  EXPECT_EQ(Verify(revoked, bundle), std::nullopt);
  ASSERT_TRUE(bundle.AddRevocations(ListOf(ca_, {&revoked})).ok());
  EXPECT_EQ(Verify(revoked, bundle), VerifyFailure::kRevoked);
  EXPECT_EQ(Verify(valid, bundle), std::nullopt);
}

TEST_F(RevocationListTest, ASerialNumberCountsForItsOwnIssuerAlone) {
  const Certificate leaf = Issue(ca_);
  TrustBundle bundle = Bundle();
  ASSERT_TRUE(bundle.AddRevocations(ListOf(other_, {&leaf})).ok());
  EXPECT_EQ(Verify(leaf, bundle), std::nullopt);
}

TEST_F(RevocationListTest, ListsOfSeveralRootsAreReadTogether) {
  const Certificate first = Issue(ca_);
  const Certificate second = Issue(other_);
  TrustBundle bundle = Bundle();
  const std::string pem = ListOf(ca_, {&first, &second}) + ListOf(other_, {&first, &second});
  ASSERT_TRUE(bundle.AddRevocations(pem).ok());
  EXPECT_EQ(Verify(first, bundle), VerifyFailure::kRevoked);
  EXPECT_EQ(Verify(second, bundle), VerifyFailure::kRevoked);
}

TEST_F(RevocationListTest, AListOfAnotherAuthorityIsInvalid) {
  const Authority stranger = *Authority::CreateRoot("cluster.local", keys_, kNow);
  TrustBundle bundle = Bundle();
  const absl::Status status = bundle.AddRevocations(ListOf(stranger, {}));
  EXPECT_NE(status.message().find("not signed by a CA of trusted_ca"), std::string::npos) << status;
}

TEST_F(RevocationListTest, AForgedListIsInvalid) {
  const Certificate leaf = Issue(ca_);
  std::string pem = ListOf(ca_, {&leaf});
  // In the signature, which ends the list.
  char& byte = pem[pem.find("-----END") - 12];
  byte = byte == 'A' ? 'B' : 'A';
  TrustBundle bundle = Bundle();
  EXPECT_FALSE(bundle.AddRevocations(pem).ok());
}

TEST_F(RevocationListTest, AnythingElseIsInvalid) {
  TrustBundle bundle = Bundle();
  EXPECT_FALSE(bundle.AddRevocations("").ok());
  EXPECT_FALSE(bundle.AddRevocations(ca_.certificate().ToPem()).ok());
  EXPECT_FALSE(
      bundle.AddRevocations("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n").ok());
}

// Open connections are verified again only if the new bundle accepts less than the former one.
TEST_F(RevocationListTest, ABundleWithMoreRevocationsDoesNotCoverTheFormerOne) {
  const Certificate first = Issue(ca_);
  const Certificate second = Issue(ca_);
  const TrustBundle none = Bundle();
  TrustBundle one = Bundle();
  ASSERT_TRUE(one.AddRevocations(ListOf(ca_, {&first})).ok());
  TrustBundle two = Bundle();
  ASSERT_TRUE(two.AddRevocations(ListOf(ca_, {&first, &second})).ok());
  EXPECT_FALSE(one.Covers(none));
  EXPECT_TRUE(none.Covers(one));
  EXPECT_FALSE(two.Covers(one));
  EXPECT_TRUE(one.Covers(one));
  EXPECT_NE(none.ContentHash(), one.ContentHash());
  EXPECT_NE(one.ContentHash(), two.ContentHash());
}

TEST_F(RevocationListTest, ASerialNumberThatIsNotHexCannotBeIssued) {
  const RevokedSerial bad[] = {{"no", kNow}};
  EXPECT_FALSE(IssueRevocationList(ca_, bad, kNow).ok());
}

}  // namespace
}  // namespace tulle::certs
