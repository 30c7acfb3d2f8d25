#include <openssl/x509.h>

#include "certs/trust_bundle.h"
#include "certs/verify_peer.h"
#include "control-plane/ca/ca_fixture.h"
#include "control-plane/ca/join_token.h"

namespace tulle::ca {
namespace {

// What a node shows that has this certificate.
RootRotation::Svid Shown(const std::string& leaf_pem) {
  const certs::Certificate leaf = certs::ParsePemCertificates(leaf_pem)->front();
  return {"spiffe://cluster.local/ns/default/sa/a", leaf.sha256(), leaf.not_after()};
}

bool Trusts(const std::string& bundle_pem, const std::string& leaf_pem) {
  const auto bundle = certs::TrustBundle::FromPem("cluster.local", bundle_pem);
  const auto leaf = certs::ParsePemCertificates(leaf_pem);
  const certs::RootSet* roots = bundle->RootsFor("cluster.local");
  for (const certs::Certificate& root : roots->certificates) {
    const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(root.native()));
    if (X509_verify(leaf->front().native(), key.get()) == 1) return true;
  }
  return false;
}

// What a joiner does that knows nothing but its token's hash: whether the server that presents this
// chain is believed.
bool ProvesItselfTo(const std::string& pin, const MeshAuthority& authority,
                    const std::string& chain_pem, int64_t now) {
  std::string pinned;
  const auto roots = certs::ParsePemCertificates(authority.roots_for_joining_pem());
  for (const certs::Certificate& root : *roots) {
    const bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(root.native()));
    if (certs::PublicKeyHashOf(key.get()) == pin) pinned = root.ToPem();
  }
  if (pinned.empty()) return false;
  const auto chain = certs::ParsePemCertificates(chain_pem);
  std::vector<std::string_view> ders;
  for (const certs::Certificate& each : *chain) ders.push_back(each.der());
  const auto verdict =
      certs::VerifyPeer(ders, *certs::TrustBundle::FromPem("cluster.local", pinned), now,
                        {.role = certs::PeerRole::kServer});
  return std::holds_alternative<certs::PeerIdentity>(verdict);
}

TEST_F(CaTest, Fault42_RotationNeverLeavesAPeerThatCannotVerify) {
  const std::string csr = certs::BuildCertificateRequest(keys_.Generate(), Id("a"));
  const auto issue = [&] { return Issue(Id("a"), csr)->certificate_pem; };
  const std::string old_bundle = authority_->trust_bundle_pem();
  const std::string old_leaf = issue();
  authority_->rotation().OnConnected("n1", Shown(old_leaf));
  authority_->rotation().OnConnected("n2", Shown(issue()));

  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  EXPECT_EQ(authority_->BeginRotation(kNow).code(), absl::StatusCode::kFailedPrecondition);
  // Announced, not yet acknowledged: what is issued must be believed by those with the old bundle.
  const std::string announced_leaf = issue();
  EXPECT_TRUE(Trusts(old_bundle, announced_leaf));
  authority_->rotation().OnConnected("n2", Shown(announced_leaf));
  EXPECT_TRUE(Trusts(authority_->trust_bundle_pem(), old_leaf));
  authority_->rotation().OnAcknowledged("n1");
  EXPECT_FALSE(*authority_->AdvanceRotation(kNow));
  EXPECT_EQ(authority_->rotation().waiting(), std::vector<std::string>{"n2"});
  authority_->rotation().OnAcknowledged("n2");
  EXPECT_TRUE(*authority_->AdvanceRotation(kNow));

  // The new root signs; both are believed, and a restart here changes nothing.
  const std::string both = authority_->trust_bundle_pem();
  Reopen();
  EXPECT_EQ(authority_->trust_bundle_pem(), both);
  const std::string new_leaf = issue();
  EXPECT_FALSE(Trusts(old_bundle, new_leaf));
  EXPECT_TRUE(Trusts(both, new_leaf) && Trusts(both, old_leaf));
  authority_->rotation().OnConnected("n1");
  EXPECT_FALSE(*authority_->AdvanceRotation(kNow));
  authority_->rotation().OnRenewed("n1");
  // It is still away, and not forgotten.
  EXPECT_FALSE(*authority_->AdvanceRotation(kNow));
  EXPECT_EQ(authority_->rotation().waiting(), std::vector<std::string>{"n2"});
  authority_->rotation().OnConnected("n2");
  authority_->rotation().OnRenewed("n2");
  EXPECT_TRUE(*authority_->AdvanceRotation(kNow));
  EXPECT_EQ(authority_->rotation().phase(), RotationPhase::kSteady);
  EXPECT_TRUE(Trusts(authority_->trust_bundle_pem(), new_leaf));
  EXPECT_FALSE(Trusts(authority_->trust_bundle_pem(), old_leaf));
}

// Both roots may sign in the second of the switch, so that their SVIDs end in the same one.
TEST_F(CaTest, ARenewalInTheSecondOfTheSwitchCounts) {
  const auto issue = [&] {
    const auto issued = Issue(Id("a"), certs::BuildCertificateRequest(keys_.Generate(), Id("a")));
    return certs::ParsePemCertificates(issued->certificate_pem)->front();
  };
  authority_->rotation().OnConnected("n1");
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  const certs::Certificate old_leaf = issue();
  authority_->rotation().OnAcknowledged("n1");
  ASSERT_TRUE(*authority_->AdvanceRotation(kNow));
  const certs::Certificate new_leaf = issue();
  ASSERT_EQ(old_leaf.not_after(), new_leaf.not_after());
  EXPECT_FALSE(authority_->HasRenewed(IssuerOf(old_leaf)));
  EXPECT_TRUE(authority_->HasRenewed(IssuerOf(new_leaf)));
  Reopen();
  EXPECT_FALSE(authority_->HasRenewed(IssuerOf(old_leaf)));
  EXPECT_TRUE(authority_->HasRenewed(IssuerOf(new_leaf)));
  EXPECT_FALSE(authority_->HasRenewed(""));
}

TEST(RootRotation, NodesThatAreAwayAreWaitedForOnlyAsLongAsTheirSvidLives) {
  RootRotation rotation(100);
  rotation.OnConnected("here");
  rotation.OnConnected("away");
  rotation.OnDisconnected("away", 10);
  rotation.Begin(10);
  rotation.OnAcknowledged("here");
  EXPECT_EQ(rotation.Advance(109), RotationPhase::kAnnouncing);
  EXPECT_EQ(rotation.Advance(110), RotationPhase::kRenewing);
}

TEST_F(CaTest, TokensOfBeforeARotationAreGoodUntilTheyExpire) {
  JoinTokens tokens(store_.get(), &keys_);
  const std::string pin = authority_->root_key_hash();
  ASSERT_TRUE(tokens.Create({Id("post"), {"default/post"}, kNow + 3600}, pin, "ann", kNow).ok());
  const certs::PrivateKey key = keys_.Generate();
  const auto chain = [&] { return authority_->IssueOwn(key, {}, {}, kNow)->certificate_pem; };

  authority_->rotation().OnConnected("n");
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  EXPECT_TRUE(ProvesItselfTo(pin, *authority_, chain(), kNow));
  authority_->rotation().OnAcknowledged("n");
  ASSERT_TRUE(*authority_->AdvanceRotation(kNow));
  EXPECT_TRUE(ProvesItselfTo(pin, *authority_, chain(), kNow));
  authority_->rotation().OnRenewed("n");
  ASSERT_TRUE(*authority_->AdvanceRotation(kNow));
  EXPECT_TRUE(ProvesItselfTo(pin, *authority_, chain(), kNow));
  // Over a second rotation, and a restart.
  Rotate(kNow);
  Reopen();
  EXPECT_TRUE(ProvesItselfTo(pin, *authority_, chain(), kNow));
  EXPECT_TRUE(ProvesItselfTo(authority_->root_key_hash(), *authority_, chain(), kNow));
  // Workloads are not asked to believe the former roots, and their keys are gone.
  EXPECT_EQ(certs::ParsePemCertificates(authority_->trust_bundle_pem())->size(), 1);
  const std::string stored = store_->List(store::Collection::kAuthority)->back().value;
  EXPECT_EQ(stored.find("PRIVATE KEY"), stored.rfind("BEGIN PRIVATE KEY") + 6);

  EXPECT_FALSE(*authority_->AdvanceRotation(kNow + 3599));
  EXPECT_TRUE(*authority_->AdvanceRotation(kNow + 3600));
  EXPECT_FALSE(ProvesItselfTo(pin, *authority_, chain(), kNow));
  EXPECT_EQ(certs::ParsePemCertificates(chain())->size(), 1);
}

TEST_F(CaTest, AStrangersRootBesideThePinnedOneProvesNothing) {
  const std::string pin = authority_->root_key_hash();
  const auto store = *store::SqliteStore::Open(":memory:");
  const auto stranger = *MeshAuthority::Open(options_, store.get(), &keys_, kNow);
  const std::string chain = stranger->IssueOwn(keys_.Generate(), {}, {}, kNow)->certificate_pem +
                            authority_->signing().certificate().ToPem();
  EXPECT_FALSE(ProvesItselfTo(pin, *authority_, chain, kNow));
}

TEST_F(CaTest, WhereNoCertificateIsOutNobodyIsWaitedFor) {
  const std::string before = authority_->root_key_hash();
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  EXPECT_TRUE(*authority_->AdvanceRotation(kNow));
  EXPECT_TRUE(*authority_->AdvanceRotation(kNow));
  EXPECT_EQ(authority_->rotation().phase(), RotationPhase::kSteady);
  EXPECT_NE(authority_->root_key_hash(), before);
}

TEST_F(CaTest, ARootIsReplacedInTimeAndAtTheStartIfItHasEnded) {
  const certs::Certificate root = authority_->signing().certificate();
  const int64_t life = root.not_after() - root.not_before();
  EXPECT_FALSE(authority_->RotationIsDue(kNow));
  EXPECT_FALSE(authority_->RotationIsDue(root.not_before() + life * 4 / 5 - 60));
  EXPECT_TRUE(authority_->RotationIsDue(root.not_before() + life * 4 / 5 + 120));
  const auto late = MeshAuthority::Open(options_, store_.get(), &keys_, root.not_after());
  ASSERT_TRUE(late.ok()) << late.status();
  EXPECT_NE((*late)->root_key_hash(), authority_->root_key_hash());
  EXPECT_TRUE((*late)->IssueOwn(keys_.Generate(), {}, {}, root.not_after()).ok());
}

TEST_F(CaTest, RootsThatEndedInTheMiddleOfARotationAreLeftBehind) {
  options_.root_lifetime_seconds = 2 * options_.svid_lifetime_seconds;
  store_ = *store::SqliteStore::Open(":memory:");
  Reopen();
  ASSERT_TRUE(Issue(Id("a"), certs::BuildCertificateRequest(keys_.Generate(), Id("a"))).ok());
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  const int64_t late = kNow + options_.root_lifetime_seconds;
  const auto opened = MeshAuthority::Open(options_, store_.get(), &keys_, late);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ((*opened)->rotation().phase(), RotationPhase::kSteady);
  EXPECT_EQ((*opened)->signing().certificate().not_after(), late + options_.root_lifetime_seconds);
  EXPECT_LT((*opened)->last_svid_ends(), late) << "it is still known when the last one ended";
  options_.root_lifetime_seconds = options_.svid_lifetime_seconds;
  EXPECT_FALSE(MeshAuthority::Open(options_, store_.get(), &keys_, late).ok());
}

TEST_F(CaTest, ARootThatHasEndedIsReplacedAllTheSame) {
  const int64_t end = authority_->signing().certificate().not_after();
  const std::string before = authority_->root_key_hash();
  ASSERT_TRUE(authority_->BeginRotation(end).ok());
  while (authority_->rotation().phase() != RotationPhase::kSteady) {
    const auto stepped = authority_->AdvanceRotation(end);
    ASSERT_TRUE(stepped.ok() && *stepped) << stepped.status();
  }
  EXPECT_NE(authority_->root_key_hash(), before);
  const auto own = authority_->IssueOwn(keys_.Generate(), {}, {}, end);
  ASSERT_TRUE(own.ok()) << own.status();
  EXPECT_EQ(certs::ParsePemCertificates(own->certificate_pem)->size(), 1);
}

TEST_F(CaTest, WhatIsOutIsRememberedOverARestart) {
  ASSERT_TRUE(Issue(Id("a"), certs::BuildCertificateRequest(keys_.Generate(), Id("a"))).ok());
  Reopen();
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  EXPECT_FALSE(*authority_->AdvanceRotation(kNow + options_.svid_lifetime_seconds - 1));
  EXPECT_GE(authority_->rotation().waits_until(kNow), kNow + options_.svid_lifetime_seconds);
}

// Sidecars show theirs again after a crash; a file does not.
TEST_F(CaTest, ACertificateInAFileIsStoredBeforeItIsHandedOut) {
  int unsaved = 0;
  authority_->SetUnsavedObserver([&unsaved] { ++unsaved; });
  const std::string csr = certs::BuildCertificateRequest(keys_.Generate(), Id("a"));
  const auto stored = [this] {
    const auto other = MeshAuthority::Open(options_, store_.get(), &keys_, kNow);
    return (*other)->rotation().outstanding();
  };
  ASSERT_TRUE(Issue(Id("a"), csr).ok());
  EXPECT_EQ(unsaved, 1);
  EXPECT_EQ(stored().any, 0) << "the observer saves, later";
  ASSERT_TRUE(
      authority_->Issue(Id("a"), csr, std::nullopt, MeshAuthority::Holder::kFile, kNow).ok());
  EXPECT_EQ(unsaved, 1);
  EXPECT_GT(stored().in_files, kNow);
  authority_->SetUnsavedObserver(nullptr);
}

TEST(RootRotation, CertificatesThatNobodyHasShownAreWaitedForWhoeverIsThere) {
  for (const bool is_somebody_there : {false, true}) {
    RootRotation rotation(100);
    if (is_somebody_there) rotation.OnConnected("here");
    rotation.OnIssued("first", {.not_after = 90, .joiner = "a"});
    rotation.Begin(0);
    rotation.OnRenewed("here");
    EXPECT_EQ(rotation.waits_until(0), 90);
    rotation.OnIssued("second", {.not_after = 120, .joiner = "b"});  // it came with both roots
    EXPECT_EQ(rotation.Advance(89), RotationPhase::kAnnouncing);
    EXPECT_EQ(rotation.Advance(90), RotationPhase::kRenewing);
    EXPECT_EQ(rotation.Advance(119), RotationPhase::kRenewing);
    EXPECT_EQ(rotation.Advance(120), RotationPhase::kSteady);
    EXPECT_EQ(rotation.waits_until(120), 0);
  }
}

// Whose answer was lost asks again: the first certificate is nobody's.
TEST(RootRotation, ALostAnswerHoldsNothingUp) {
  RootRotation rotation(100000);
  const auto is_waited_for = [&](const std::string& shown) {
    rotation.OnConnected("n", {"a", shown, 100000});
    rotation.OnDisconnected("n", 0);
    RootRotation begun = rotation;
    begun.Begin(2000);
    return begun.waits_until(2000) != 0;
  };
  rotation.OnIssued("join-lost", {.not_after = 100000, .issued_at = 1000, .joiner = "a at 1"});
  EXPECT_TRUE(is_waited_for("another"));
  rotation.OnIssued("join", {.not_after = 100000, .issued_at = 1030, .joiner = "a at 1"});
  EXPECT_FALSE(is_waited_for("join"));
  rotation.OnIssued("lost", {.not_after = 100000, .issued_at = 1100, .renews = "join"});
  EXPECT_TRUE(is_waited_for("join")) << "it may have it";
  rotation.OnIssued("renewed", {.not_after = 100000, .issued_at = 9000, .renews = "join"});
  EXPECT_FALSE(is_waited_for("renewed")) << "whenever that was";
  // Renewed again and again while xDS was out of reach.
  rotation.OnIssued("one", {.not_after = 100000, .issued_at = 9000, .joiner = "c at 1"});
  rotation.OnIssued("two", {.not_after = 100000, .issued_at = 9001, .renews = "one"});
  rotation.OnIssued("three", {.not_after = 100000, .issued_at = 9002, .renews = "two"});
  EXPECT_FALSE(is_waited_for("three"));
  // Another one that joined from elsewhere, or long before.
  rotation.OnIssued("elsewhere", {.not_after = 100000, .issued_at = 9000, .joiner = "a at 2"});
  rotation.OnIssued("once", {.not_after = 100000, .issued_at = 9001, .joiner = "a at 1"});
  EXPECT_TRUE(is_waited_for("once"));
  EXPECT_FALSE(is_waited_for("elsewhere"));
  rotation.OnIssued("early", {.not_after = 100000, .issued_at = 1000, .joiner = "a at 1"});
  rotation.OnIssued("late", {.not_after = 100000, .issued_at = 1601, .joiner = "a at 1"});
  EXPECT_TRUE(is_waited_for("late"));
}

TEST(RootRotation, NothingWaitsForNodesThatHaveEnded) {
  RootRotation rotation(86400);
  rotation.OnConnected("stays");
  rotation.OnConnected("ends", {"a", "sha", kNow + 86400});
  rotation.OnEnded("ends");
  rotation.Begin(kNow);
  rotation.OnAcknowledged("stays");
  EXPECT_EQ(rotation.waiting(), std::vector<std::string>{"ends"}) << "it is still connected";
  rotation.OnDisconnected("ends", kNow);
  EXPECT_EQ(rotation.Advance(kNow), RotationPhase::kRenewing);
  // It is back in the middle of it.
  rotation.OnConnected("ends", {"a", "sha", kNow + 86400});
  rotation.OnRenewed("stays");
  EXPECT_EQ(rotation.Advance(kNow), RotationPhase::kRenewing);
  rotation.OnRenewed("ends");
  EXPECT_EQ(rotation.Advance(kNow), RotationPhase::kSteady);
}

TEST(RootRotation, AForcedStepWaitsForNothingAndTheNextOneWaitsAgain) {
  RootRotation rotation(86400);
  rotation.OnConnected("slow");
  rotation.OnIssued(kNow + 86400, true);
  rotation.Begin(kNow);
  rotation.Force();
  EXPECT_EQ(rotation.Advance(kNow), RotationPhase::kRenewing);
  EXPECT_EQ(rotation.Advance(kNow), RotationPhase::kRenewing);
  rotation.Force();
  EXPECT_EQ(rotation.Advance(kNow), RotationPhase::kSteady);
}

TEST(RootRotation, OneIdentityCannotFillTheBook) {
  RootRotation rotation(100);
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "n" + std::to_string(i);
    rotation.OnConnected(name, {"a", "s", 1000 + i});
    rotation.OnDisconnected(name, 0);
  }
  rotation.OnConnected("other", {"b", "o", 5000});
  rotation.Begin(0);
  EXPECT_EQ(rotation.waiting().size(), 1001u);
  EXPECT_EQ(rotation.waits_until(0), 1000 + 1999) << "those without a name are waited for, too";
  EXPECT_EQ(rotation.TakeChanged().nodes.size(), 3001u);
  EXPECT_FALSE(rotation.HolderOf("n1999").has_value());
  EXPECT_TRUE(rotation.HolderOf("n2000").has_value());
}

TEST(UnseenCertificates, TheBookIsBounded) {
  UnseenCertificates book;
  for (size_t i = 0; i < UnseenCertificates::kMost; ++i) {
    EXPECT_EQ(book.Add(std::to_string(i), {.not_after = 500 + static_cast<int64_t>(i)}), 0);
  }
  EXPECT_EQ(book.Add("more", {.not_after = 9}), 500);
  EXPECT_EQ(book.size(), UnseenCertificates::kMost);
}

// Partitioned for ten minutes; meanwhile its lease ends, the control plane restarts, and the root
// is replaced: it comes back with a certificate that is good for hours.
TEST_F(CaTest, ARestartForgetsNobodyWhoHoldsACertificate) {
  const auto issue = [&](const MeshAuthority::Asker& asker) {
    const auto issued =
        authority_->Issue(Id("a"), certs::BuildCertificateRequest(keys_.Generate(), Id("a")),
                          std::nullopt, MeshAuthority::Holder::kSidecar, kNow, asker);
    return issued->certificate_pem;
  };
  const auto rotates_at_once = [&] {
    authority_->rotation().OnConnected("here", Shown(issue({"", "10.0.0.1", ""})));
    EXPECT_TRUE(authority_->BeginRotation(kNow).ok());
    authority_->rotation().OnAcknowledged("here");
    return *authority_->AdvanceRotation(kNow);
  };
  authority_->rotation().OnConnected("away", Shown(issue({"", "10.0.0.2", ""})));
  ASSERT_TRUE(authority_->AdvanceRotation(kNow).ok());
  Reopen();
  EXPECT_FALSE(rotates_at_once());
  EXPECT_EQ(authority_->rotation().waiting(), std::vector<std::string>{"away"});
  const int64_t end = kNow + options_.svid_lifetime_seconds;
  EXPECT_FALSE(*authority_->AdvanceRotation(end - 1));
  EXPECT_TRUE(*authority_->AdvanceRotation(end));

  // One that has joined and was never seen by xDS.
  store_ = *store::SqliteStore::Open(":memory:");
  Reopen();
  issue({"", "10.0.0.3", ""});
  Reopen();
  EXPECT_FALSE(rotates_at_once());
  EXPECT_EQ(authority_->rotation().waits_until(kNow), end);

  // Where all have come back it goes at once.
  store_ = *store::SqliteStore::Open(":memory:");
  Reopen();
  const std::string leaf = issue({"", "10.0.0.2", ""});
  authority_->rotation().OnConnected("back", Shown(leaf));
  ASSERT_TRUE(authority_->AdvanceRotation(kNow).ok());
  Reopen();
  authority_->rotation().OnConnected("back", Shown(leaf));
  authority_->rotation().OnConnected("here", Shown(issue({"", "10.0.0.1", ""})));
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  for (const char* node : {"back", "here"}) authority_->rotation().OnAcknowledged(node);
  EXPECT_TRUE(*authority_->AdvanceRotation(kNow));
}

// Of before there was a book of holders.
TEST_F(CaTest, AStoreThatKnowsNoHoldersIsWaitedOut) {
  store::Transaction transaction("earlier version", kNow);
  transaction.Put(store::Collection::kAuthority, "outstanding",
                  "{\"any\": " + std::to_string(kNow + 500) + ", \"inFiles\": 0}");
  ASSERT_TRUE(store_->Commit(transaction).ok());
  Reopen();
  authority_->rotation().OnConnected("here");
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  authority_->rotation().OnAcknowledged("here");
  EXPECT_FALSE(*authority_->AdvanceRotation(kNow + 499));
  EXPECT_TRUE(*authority_->AdvanceRotation(kNow + 500));
}

TEST(RootRotation, CertificatesInFilesAreWaitedForWhateverTheNodesDo) {
  RootRotation rotation(100);
  rotation.OnIssued(50, true);
  rotation.OnConnected("n");
  rotation.Begin(0);
  rotation.OnAcknowledged("n");
  EXPECT_EQ(rotation.Advance(49), RotationPhase::kAnnouncing);
  EXPECT_EQ(rotation.Advance(50), RotationPhase::kRenewing);
  rotation.OnRenewed("n");
  EXPECT_EQ(rotation.Advance(50), RotationPhase::kSteady);
}

}  // namespace
}  // namespace tulle::ca
