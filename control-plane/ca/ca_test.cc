#include "control-plane/ca/ca_fixture.h"
#include "control-plane/ca/join_token.h"
#include "control-plane/ca/signing_limit.h"

namespace tulle::ca {
namespace {

TEST_F(CaTest, TheRootIsMadeOnceAndKept) {
  const std::string bundle = authority_->trust_bundle_pem();
  const std::string hash = authority_->root_key_hash();
  Reopen();
  EXPECT_EQ(authority_->trust_bundle_pem(), bundle);
  EXPECT_EQ(authority_->root_key_hash(), hash);
  options_.trust_domain = "other.org";
  EXPECT_EQ(MeshAuthority::Open(options_, store_.get(), &keys_, kNow).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(CaTest, Fault40_TheIdentityIsTheCallersWhateverTheRequestAsksFor) {
  const certs::PrivateKey key = keys_.Generate();
  const std::string forged = certs::BuildCertificateRequest(key, Id("payment"));
  const certs::Certificate leaf = IssueOrDie(Id("guest"), forged);
  EXPECT_EQ(leaf.uri_sans(), std::vector<std::string>{Id("guest").ToString()});
  EXPECT_TRUE(leaf.dns_sans().empty() && leaf.ip_sans().empty());
  EXPECT_FALSE(leaf.is_ca());
  EXPECT_TRUE(certs::Matches(leaf, key.native()));
}

TEST_F(CaTest, LabelsAreSignedAsTheyWereAskedFor) {
  const certs::WorkloadLabels labels = {{"app", "shop"}, {"version", "v2"}};
  const std::string csr = certs::BuildCertificateRequest(keys_.Generate(), Id("a"), labels);
  EXPECT_EQ(certs::LabelsTextOf(IssueOrDie(Id("a"), csr).native()), "app=shop,version=v2");
  const std::string invalid =
      certs::BuildCertificateRequest(keys_.Generate(), Id("a"), {{"role", "admin"}});
  EXPECT_EQ(Issue(Id("a"), invalid).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CaTest, Fault40_BadRequestsAreRefused) {
  const std::string good = certs::BuildCertificateRequest(keys_.Generate(), Id("a"));
  std::string cut = good.substr(0, good.size() / 2);
  for (const std::string& bad : {std::string(), std::string(65 * 1024, 'x'), cut}) {
    EXPECT_FALSE(Issue(Id("a"), bad).ok());
  }
  // The domain itself and what is no workload get none either.
  EXPECT_FALSE(Issue(*certs::SpiffeId::ForTrustDomain("cluster.local"), good).ok());
  EXPECT_FALSE(Issue(*certs::SpiffeId::ForWorkload("other.org", "a", "b"), good).ok());
}

TEST_F(CaTest, LifetimesAreBoundedByTheAuthoritysOwn) {
  options_.svid_lifetime_seconds = 600;
  Reopen();
  const std::string csr = certs::BuildCertificateRequest(keys_.Generate(), Id("a"));
  EXPECT_EQ(IssueOrDie(Id("a"), csr).not_after(), kNow + 600);
  EXPECT_EQ(IssueOrDie(Id("a"), csr, 60).not_after(), kNow + 60);
  EXPECT_EQ(IssueOrDie(Id("a"), csr, 1 << 30).not_after(), kNow + 600);
  EXPECT_GT(IssueOrDie(Id("a"), csr, -5).not_after(), kNow);
}

TEST_F(CaTest, TokensAreBoundToAnIdentityAndExpire) {
  JoinTokens tokens(store_.get(), &keys_);
  const auto token = tokens.Create({Id("post"), {"default/post"}, kNow + 60},
                                   authority_->root_key_hash(), "ann", kNow);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(ParseJoinToken(*token + "\n")->root_key_hash, authority_->root_key_hash());
  const auto grant = tokens.Redeem(*token, kNow + 59);
  ASSERT_TRUE(grant.ok()) << grant.status();
  EXPECT_EQ(grant->id, Id("post"));
  EXPECT_EQ(grant->services, std::vector<std::string>{"default/post"});
  EXPECT_EQ(tokens.Redeem(*token, kNow + 60).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(*tokens.ServicesOf(Id("post")), std::vector<std::string>{"default/post"});
  EXPECT_EQ(*tokens.ServicesOf(Id("other")), std::vector<std::string>{"default/other"});
  // Named to who asks, until the identity joins.
  ASSERT_EQ(tokens.refused().size(), 1u);
  EXPECT_EQ(tokens.refused().at(Id("post").ToString()).expired_at, kNow + 60);
  const auto again = tokens.Create({Id("post"), {"default/post"}, kNow + 120},
                                   authority_->root_key_hash(), "ann", kNow);
  ASSERT_TRUE(again.ok() && tokens.Redeem(*again, kNow).ok());
  EXPECT_TRUE(tokens.refused().empty());
  constexpr int64_t kWeek = 7 * 24 * 3600;
  ASSERT_TRUE(tokens.DeleteExpired(kNow + 60 + kWeek).ok());
  EXPECT_EQ(store_->List(store::Collection::kJoinToken)->size(), 1u);
  ASSERT_TRUE(tokens.DeleteExpired(kNow + 120 + kWeek).ok());
  EXPECT_TRUE(store_->List(store::Collection::kJoinToken)->empty());
}

TEST_F(CaTest, Fault39_OneIdentityCannotHaveItAllSigned) {
  const std::string csr = certs::BuildCertificateRequest(keys_.Generate(), Id("a"));
  const auto issue = [&](const std::string& account, int64_t now) {
    return authority_->Issue(Id(account), csr, std::nullopt, MeshAuthority::Holder::kSidecar, now)
        .status();
  };
  for (int64_t i = 0; i < MeshAuthority::kRate.at_once; ++i)
    ASSERT_TRUE(issue("a", kNow).ok()) << i;
  const absl::Status refused = issue("a", kNow);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(refused.message().find("too many certificates"), std::string::npos);
  EXPECT_TRUE(issue("b", kNow).ok()) << "others have their own";
  EXPECT_FALSE(issue("a", kNow - 3600).ok()) << "a clock that goes back gives nothing";
  for (int64_t i = 0; i < MeshAuthority::kRate.per_second; ++i)
    EXPECT_TRUE(issue("a", kNow - 3600 + 1).ok());
  EXPECT_FALSE(issue("a", kNow - 3600 + 1).ok());
}

TEST_F(CaTest, ManyPodsOfOneAccountStartAtOnceAndNoneOfThemHasItAllSigned) {
  const std::string csr = certs::BuildCertificateRequest(keys_.Generate(), Id("a"));
  const auto issue = [&](const std::string& pod) {
    return authority_
        ->Issue(Id("a"), csr, 60, MeshAuthority::Holder::kSidecar, kNow, {"", "10.0.0.7", pod})
        .status();
  };
  for (int i = 0; i < 800; ++i) ASSERT_TRUE(issue(std::to_string(i)).ok()) << i;
  for (int64_t i = 0; i < MeshAuthority::kRateOfPod.at_once; ++i) EXPECT_TRUE(issue("one").ok());
  EXPECT_EQ(issue("one").code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(issue("another").ok());
}

TEST_F(CaTest, PodsOfOneAccountAreBoundedTogether) {
  const std::string csr = certs::BuildCertificateRequest(keys_.Generate(), Id("a"));
  int64_t issued = 0;
  const auto issue = [&](const std::string& pod) {
    return authority_
        ->Issue(Id("a"), csr, 60, MeshAuthority::Holder::kSidecar, kNow, {"", "10.0.0.7", pod})
        .ok();
  };
  while (issued < 2 * MeshAuthority::kRateOfPods.at_once && issue(std::to_string(issued))) ++issued;
  EXPECT_EQ(issued, MeshAuthority::kRateOfPods.at_once);
}

TEST_F(CaTest, Fault39_OneIdentityCannotHaveCertificatesWithoutEnd) {
  options_.most_valid_of_one_identity = 10;
  Reopen();
  const std::string csr = certs::BuildCertificateRequest(keys_.Generate(), Id("a"));
  const auto issue = [&](const std::string& account, int64_t now) {
    return authority_
        ->Issue(Id(account), csr, 60, MeshAuthority::Holder::kSidecar, now, {"", "10.0.0.7", ""})
        .status();
  };
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(issue("a", kNow).ok()) << i;
  const absl::Status refused = issue("a", kNow);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(refused.message().find("has 10 valid certificates, which is the limit: "),
            std::string::npos);
  EXPECT_NE(refused.message().find("tullectl evict"), std::string::npos) << "the next step";
  EXPECT_EQ(authority_->refusals().too_many, 1);
  EXPECT_TRUE(authority_->refusals().latest.starts_with("10.0.0.7: spiffe://"));
  EXPECT_TRUE(issue("b", kNow).ok()) << "others have their own";
  using Count = std::pair<std::string, size_t>;
  EXPECT_EQ(authority_->IdentitiesNearLimit(), (std::vector<Count>{{Id("a").ToString(), 10}}));

  Reopen();
  EXPECT_FALSE(issue("a", kNow).ok()) << "a restart does not forget them";
  // Neither those that have expired count, nor those that were revoked.
  ASSERT_TRUE(authority_->AdvanceRotation(kNow + 60 + certs::kBackdateSeconds).ok());
  EXPECT_TRUE(authority_->IdentitiesNearLimit().empty());
  const int64_t later = kNow + 60 + certs::kBackdateSeconds;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(issue("a", later).ok()) << i;
  EXPECT_FALSE(issue("a", later).ok());
  ASSERT_EQ(*authority_->Revoke(Id("a"), "ann", later), 10u);
  EXPECT_TRUE(issue("a", later).ok()) << "an evicted identity may join again";
}

// What docs/identity.md computes: replicas of one identity that renew as early as they ever do.
TEST(IssuedCertificates, AFleetOfTwoThousandReplicasStaysFarBelowTheLimit) {
  constexpr int kReplicas = 2000;
  for (const int64_t lifetime : {int64_t{600}, int64_t{24 * 3600}}) {
    IssuedCertificates issued;
    size_t most = 0;
    const int64_t interval = lifetime * 45 / 100;  // half life less 10 %
    for (int64_t round = 0; round < 6; ++round) {
      for (int replica = 0; replica < kReplicas; ++replica) {
        const int64_t now = kNow + round * interval + replica * interval / kReplicas;
        issued.Advance(now);
        issued.Add({now + lifetime, std::to_string(round) + "/" + std::to_string(replica)},
                   "fleet");
        most = std::max(most, issued.CountValid("fleet"));
      }
    }
    EXPECT_GT(most, 2 * kReplicas);
    EXPECT_LE(most, 3 * kReplicas);
    EXPECT_LT(2 * most, MeshAuthority::Options().most_valid_of_one_identity);
  }
}

TEST(SigningLimit, Fault39_ForgetsWhoHasLongNotAsked) {
  SigningLimit limit({300, 5});
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(limit.Take(std::to_string(i), 100));
  EXPECT_EQ(limit.size(), 1000u);
  EXPECT_TRUE(limit.Take("late", 100 + 3600));
  EXPECT_EQ(limit.size(), 1u);
}

TEST(EqualInConstantTime, Fault89_ComparesAllOfIt) {
  EXPECT_TRUE(EqualInConstantTime("", ""));
  EXPECT_TRUE(EqualInConstantTime("abcd", "abcd"));
  for (const char* other : {"abce", "bbcd", "abc", "abcde", ""}) {
    EXPECT_FALSE(EqualInConstantTime("abcd", other)) << other;
  }
}

TEST_F(CaTest, Fault39_ForgedTokensAreRefusedAlike) {
  JoinTokens tokens(store_.get(), &keys_);
  std::string token =
      *tokens.Create({Id("post"), {}, kNow + 60}, authority_->root_key_hash(), "ann", kNow);
  std::string changed = token;
  changed.back() = changed.back() == '0' ? '1' : '0';
  const absl::Status unknown = tokens.Redeem(changed, kNow).status();
  for (const std::string& bad :
       {std::string(), std::string("Bearer x"), token.substr(1), token + "0"}) {
    EXPECT_EQ(tokens.Redeem(bad, kNow).status(), unknown) << bad;
  }
}

TEST_F(CaTest, NoSecretIsKeptInTheClear) {
  JoinTokens tokens(store_.get(), &keys_);
  const std::string token =
      *tokens.Create({Id("post"), {}, kNow + 60}, authority_->root_key_hash(), "ann", kNow);
  const std::string secret = ParseJoinToken(token)->secret;
  const auto records = store_->List(store::Collection::kJoinToken);
  ASSERT_EQ(records->size(), 1);
  for (const store::Record& record : *records) {
    EXPECT_EQ(record.key.find(secret), std::string::npos);
    EXPECT_EQ(record.value.find(secret), std::string::npos);
  }
}

}  // namespace
}  // namespace tulle::ca
