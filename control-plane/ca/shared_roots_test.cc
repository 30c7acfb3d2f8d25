// Roots that several authorities share, each with a store of its own.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "certs/private_key.h"
#include "control-plane/ca/ca_fixture.h"

namespace tulle::ca {
namespace {

class SharedRootsTest : public testing::Test {
 protected:
  struct Replica {
    std::unique_ptr<store::SqliteStore> store = *store::SqliteStore::Open(":memory:");
    std::unique_ptr<MeshAuthority> authority;
  };

  void Open(Replica* replica, const std::string& shared, int64_t now = kNow) {
    MeshAuthority::Options options;
    options.shared_roots = shared;
    auto opened = MeshAuthority::Open(options, replica->store.get(), &keys_, now);
    ASSERT_TRUE(opened.ok()) << opened.status();
    replica->authority = *std::move(opened);
    replica->authority->SetPropose([this](const std::string& record) { proposed_ = record; });
  }
  SharedRootsTest() {
    Replica first;
    Open(&first, "");
    shared_ = first.authority->Record();
    Open(&a_, shared_);
    Open(&b_, shared_);
  }
  // What was proposed wins.
  void Publish() {
    ASSERT_TRUE(proposed_.has_value());
    shared_ = *std::exchange(proposed_, std::nullopt);
    for (Replica* each : {&a_, &b_}) EXPECT_TRUE(*each->authority->AdoptShared(shared_, kNow));
  }
  // Each proposal is in force for all before the next one counts.
  void PublishAll() {
    while (proposed_) {
      shared_ = *std::exchange(proposed_, std::nullopt);
      for (Replica* each : {&a_, &b_})
        EXPECT_TRUE(each->authority->AdoptShared(shared_, kNow).ok());
    }
  }
  certs::Certificate IssueBy(Replica& replica, const std::string& account, int64_t now = kNow) {
    const auto issued = replica.authority->Issue(
        Id(account), certs::BuildCertificateRequest(keys_.Generate(), Id(account)), std::nullopt,
        MeshAuthority::Holder::kSidecar, now);
    EXPECT_TRUE(issued.ok()) << issued.status();
    return certs::ParsePemCertificates(issued->certificate_pem)->front();
  }
  static bool IsRevokedBy(const Replica& replica, const certs::Certificate& leaf) {
    const std::string identity = leaf.uri_sans().front();
    return replica.authority->HasRevoked(identity) && replica.authority->IsRevoked(identity, leaf);
  }
  RotationPhase PhaseOf(const Replica& replica) const {
    return replica.authority->rotation().phase();
  }

  certs::SystemKeySource keys_;
  std::string shared_;
  std::optional<std::string> proposed_;
  Replica a_, b_;
};

TEST_F(SharedRootsTest, AllSignWithTheSameRoot) {
  EXPECT_EQ(a_.authority->trust_bundle_pem(), b_.authority->trust_bundle_pem());
  EXPECT_EQ(a_.authority->root_key_hash(), b_.authority->root_key_hash());
  EXPECT_FALSE(*a_.authority->AdoptShared(shared_, kNow)) << "nothing has changed";
}

TEST_F(SharedRootsTest, ARestartWithAnEmptyStoreKeepsTheRoots) {
  const std::string before = a_.authority->trust_bundle_pem();
  a_ = Replica();
  Open(&a_, shared_);
  EXPECT_EQ(a_.authority->trust_bundle_pem(), before);
  // They win over those that the store has.
  Replica other;
  Open(&other, "");
  EXPECT_NE(other.authority->trust_bundle_pem(), before);
  Open(&other, shared_);
  EXPECT_EQ(other.authority->trust_bundle_pem(), before);
  Open(&other, "");
  EXPECT_EQ(other.authority->trust_bundle_pem(), before) << "they were not stored";
}

TEST_F(SharedRootsTest, AStepOfARotationIsInForceWhenAllHaveIt) {
  a_.authority->rotation().OnConnected("n");
  const std::string old_root = a_.authority->root_key_hash();
  ASSERT_TRUE(a_.authority->BeginRotation(kNow).ok());
  EXPECT_EQ(PhaseOf(a_), RotationPhase::kSteady) << "nobody else knows the new root yet";
  Publish();
  EXPECT_EQ(PhaseOf(a_), RotationPhase::kAnnouncing);
  EXPECT_EQ(PhaseOf(b_), RotationPhase::kAnnouncing);
  EXPECT_EQ(a_.authority->trust_bundle_pem(), b_.authority->trust_bundle_pem());

  EXPECT_FALSE(*a_.authority->AdvanceRotation(kNow));
  EXPECT_FALSE(proposed_.has_value()) << "it waits for the node";
  a_.authority->rotation().OnAcknowledged("n");
  EXPECT_FALSE(*a_.authority->AdvanceRotation(kNow));
  EXPECT_EQ(a_.authority->root_key_hash(), old_root);
  Publish();
  EXPECT_EQ(PhaseOf(b_), RotationPhase::kRenewing);
  EXPECT_NE(b_.authority->root_key_hash(), old_root);
  EXPECT_EQ(a_.authority->root_key_hash(), b_.authority->root_key_hash());

  a_.authority->rotation().OnRenewed("n");
  EXPECT_FALSE(*a_.authority->AdvanceRotation(kNow));
  Publish();
  EXPECT_EQ(PhaseOf(a_), RotationPhase::kSteady);
  EXPECT_EQ(PhaseOf(b_), RotationPhase::kSteady);
  EXPECT_EQ(a_.authority->trust_bundle_pem(), b_.authority->trust_bundle_pem());
}

TEST_F(SharedRootsTest, AReplicaThatMissedAPhaseFollows) {
  ASSERT_TRUE(a_.authority->BeginRotation(kNow).ok());
  ASSERT_TRUE(*a_.authority->AdoptShared(*proposed_, kNow));
  a_.authority->AdvanceRotation(kNow).IgnoreError();
  ASSERT_TRUE(*a_.authority->AdoptShared(*proposed_, kNow));
  ASSERT_EQ(PhaseOf(a_), RotationPhase::kRenewing);
  b_.authority->rotation().OnConnected("n");
  ASSERT_TRUE(*b_.authority->AdoptShared(*proposed_, kNow));
  EXPECT_EQ(PhaseOf(b_), RotationPhase::kRenewing);
  EXPECT_EQ(b_.authority->rotation().waiting(), std::vector<std::string>{"n"});
  EXPECT_EQ(a_.authority->root_key_hash(), b_.authority->root_key_hash());
}

// What nodes did in the rotation before does not count.
TEST_F(SharedRootsTest, AReplicaThatMissedTheEndOfARotationWaitsForItsNodesAgain) {
  int64_t now = kNow;
  const auto step_b = [&] {
    ++now;
    const bool is_steady = PhaseOf(b_) == RotationPhase::kSteady;
    EXPECT_TRUE(is_steady ? b_.authority->BeginRotation(now).ok()
                          : b_.authority->AdvanceRotation(now).ok());
    EXPECT_TRUE(*b_.authority->AdoptShared(*proposed_, now));
  };
  for (const RotationPhase missed_since : {RotationPhase::kAnnouncing, RotationPhase::kRenewing}) {
    while (PhaseOf(b_) != missed_since && !HasFailure()) step_b();
    ASSERT_TRUE(*a_.authority->AdoptShared(*proposed_, kNow));
    ASSERT_EQ(PhaseOf(a_), missed_since);
    RootRotation& rotation = a_.authority->rotation();
    rotation.OnConnected("n");
    rotation.OnRenewed("n");
    EXPECT_TRUE(rotation.waiting().empty());
    for (const RotationPhase next : {RotationPhase::kSteady, RotationPhase::kRenewing})
      while (PhaseOf(b_) != next && !HasFailure()) step_b();
    ASSERT_TRUE(*a_.authority->AdoptShared(*proposed_, kNow));
    ASSERT_EQ(PhaseOf(a_), RotationPhase::kRenewing);
    EXPECT_EQ(rotation.waiting(), std::vector<std::string>{"n"});
    step_b();
    ASSERT_TRUE(*a_.authority->AdoptShared(*proposed_, kNow));
    ASSERT_EQ(PhaseOf(a_), RotationPhase::kSteady);
  }
}

TEST_F(SharedRootsTest, AnEvictionRevokesWhatEachReplicaHasIssued) {
  const certs::Certificate of_a = IssueBy(a_, "post");
  const certs::Certificate of_b = IssueBy(b_, "post");
  const certs::Certificate other = IssueBy(b_, "web");
  EXPECT_EQ(*a_.authority->Revoke(Id("post"), "ann", kNow + 10), 1u);
  EXPECT_TRUE(IsRevokedBy(a_, of_a)) << "at once";
  PublishAll();
  for (const Replica* each : {&a_, &b_}) {
    EXPECT_TRUE(IsRevokedBy(*each, of_a));
    EXPECT_TRUE(IsRevokedBy(*each, of_b));
    EXPECT_FALSE(IsRevokedBy(*each, other));
    // Peers are told the numbers of both.
    EXPECT_EQ(each->authority->evictions().certificates(), 2u);
    EXPECT_FALSE(each->authority->revocations_pem().empty());
  }
  const certs::Certificate anew = IssueBy(b_, "post", kNow + 11);
  EXPECT_FALSE(IsRevokedBy(b_, anew)) << "it may join again";
  EXPECT_FALSE(IsRevokedBy(a_, anew));
}

TEST_F(SharedRootsTest, AnEvictionOutlivesTheReplicas) {
  const certs::Certificate shown = IssueBy(a_, "post");
  const certs::Certificate lost = IssueBy(a_, "post");
  a_ = Replica();
  Open(&a_, shared_);
  a_.authority->OnShown(Id("post").ToString(), shown);
  EXPECT_EQ(*a_.authority->Revoke(Id("post"), "ann", kNow + 10), 1u)
      << "no replica knows the other";
  PublishAll();
  a_ = Replica();
  Open(&a_, shared_);
  for (const Replica* each : {&a_, &b_}) {
    EXPECT_TRUE(IsRevokedBy(*each, shown));
    EXPECT_TRUE(IsRevokedBy(*each, lost)) << "it was issued before";
    EXPECT_FALSE(each->authority->revocations_pem().empty());
  }
  EXPECT_FALSE(proposed_.has_value()) << "nothing is new";
  // It ends with the certificates.
  const int64_t end = shown.not_after() + 2 * certs::kBackdateSeconds;
  a_ = Replica();
  Open(&a_, shared_, end);
  EXPECT_TRUE(a_.authority->evictions().empty());
}

// A replica that has not forgotten it yet writes the Secret.
TEST_F(SharedRootsTest, AnEvictionThatHasEndedRevokesNothing) {
  const certs::Certificate post = IssueBy(a_, "post");
  ASSERT_TRUE(a_.authority->Revoke(Id("post"), "ann", kNow + 10).ok());
  PublishAll();
  const int64_t end = post.not_after() + 2 * certs::kBackdateSeconds;
  EXPECT_TRUE(a_.authority->AdvanceRotation(end).ok());
  EXPECT_TRUE(a_.authority->evictions().empty());
  const certs::Certificate anew = IssueBy(a_, "post", end);
  ASSERT_TRUE(b_.authority->Revoke(Id("web"), "bob", kNow + 20).ok());
  EXPECT_TRUE(absl::StrContains(*proposed_, "post"));
  ASSERT_TRUE(*a_.authority->AdoptShared(*proposed_, end + 1));
  EXPECT_FALSE(IsRevokedBy(a_, anew));
  EXPECT_TRUE(a_.authority->evictions().empty());
}

TEST_F(SharedRootsTest, OfTwoEvictionsAtOnceNoneIsLost) {
  const certs::Certificate post = IssueBy(a_, "post");
  const certs::Certificate web = IssueBy(b_, "web");
  ASSERT_TRUE(a_.authority->Revoke(Id("post"), "ann", kNow + 10).ok());
  const std::string first = *std::exchange(proposed_, std::nullopt);
  ASSERT_TRUE(b_.authority->Revoke(Id("web"), "bob", kNow + 10).ok());
  proposed_ = first;  // it was faster
  PublishAll();
  for (const Replica* each : {&a_, &b_}) {
    EXPECT_TRUE(IsRevokedBy(*each, post));
    EXPECT_TRUE(IsRevokedBy(*each, web));
  }
  // A rotation keeps them.
  ASSERT_TRUE(a_.authority->BeginRotation(kNow + 20).ok());
  PublishAll();
  EXPECT_TRUE(IsRevokedBy(b_, post));
  EXPECT_TRUE(IsRevokedBy(b_, web));
}

TEST_F(SharedRootsTest, WhatWasNotWrittenIsProposedAgain) {
  IssueBy(a_, "post");
  ASSERT_TRUE(a_.authority->Revoke(Id("post"), "ann", kNow + 10).ok());
  ASSERT_TRUE(proposed_.has_value());
  proposed_.reset();  // the API server is away
  a_.authority->SaveChanges(kNow + 11);
  EXPECT_TRUE(proposed_.has_value());
  PublishAll();
  a_.authority->SaveChanges(kNow + 12);
  EXPECT_FALSE(proposed_.has_value());
}

TEST_F(SharedRootsTest, AnOlderRecordIsRefusedAndReplaced) {
  const std::string steady = shared_;
  ASSERT_TRUE(a_.authority->BeginRotation(kNow).ok());
  Publish();
  const std::string announcing = shared_;
  EXPECT_FALSE(*a_.authority->AdvanceRotation(kNow));
  Publish();
  for (const std::string& older : {steady, announcing}) {
    const auto adopted = a_.authority->AdoptShared(older, kNow);
    EXPECT_EQ(adopted.status().code(), absl::StatusCode::kAborted);
    EXPECT_TRUE(absl::StrContains(adopted.status().message(), "older")) << adopted.status();
    EXPECT_TRUE(a_.authority->Record() == shared_) << "it contains keys";
    EXPECT_FALSE(proposed_.has_value());
    a_.authority->SaveChanges(kNow);
    Publish();  // in its place
    EXPECT_EQ(PhaseOf(a_), RotationPhase::kRenewing);
    EXPECT_EQ(PhaseOf(b_), RotationPhase::kRenewing);
    a_.authority->SaveChanges(kNow);
    EXPECT_FALSE(proposed_.has_value()) << "it is written once";
  }
}

// During an upgrade the leader may be of the previous version.
TEST_F(SharedRootsTest, ARecordThatDoesNotCountIsAccepted) {
  ASSERT_TRUE(a_.authority->BeginRotation(kNow).ok());
  Publish();
  auto record = nlohmann::json::parse(shared_);
  EXPECT_EQ(record.at("generation"), 2);
  record.erase("generation");
  record["since"] = kNow + 1;
  EXPECT_TRUE(*a_.authority->AdoptShared(record.dump(), kNow));
  a_.authority->AdvanceRotation(kNow).IgnoreError();
  ASSERT_TRUE(proposed_.has_value());
  EXPECT_EQ(nlohmann::json::parse(*proposed_).at("generation"), 3);
  EXPECT_FALSE(a_.authority->AdoptShared(R"({"generation":0})", kNow).ok());
}

TEST_F(SharedRootsTest, WhatCannotBeUsedChangesNothing) {
  const std::string before = a_.authority->Record();
  for (const std::string& bad : {std::string(), std::string("{}"), shared_.substr(1),
                                 std::string(R"({"phase":"steady","since":1,"roots":[]})")}) {
    const auto adopted = a_.authority->AdoptShared(bad, kNow);
    EXPECT_FALSE(adopted.ok());
    EXPECT_FALSE(absl::StrContains(adopted.status().message(), "PRIVATE")) << bad.size();
  }
  MeshAuthority::Options options;
  options.trust_domain = "other.example";
  Replica other;
  auto opened = MeshAuthority::Open(options, other.store.get(), &keys_, kNow);
  EXPECT_FALSE(a_.authority->AdoptShared((*opened)->Record(), kNow).ok());
  EXPECT_EQ(a_.authority->Record(), before);
  options.shared_roots = "{}";
  EXPECT_FALSE(MeshAuthority::Open(options, other.store.get(), &keys_, kNow).ok());
}

}  // namespace
}  // namespace tulle::ca
