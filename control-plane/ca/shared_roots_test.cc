// Roots that several authorities share, each with a store of its own.
#include <gtest/gtest.h>

#include <optional>
#include <string>

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

  void Open(Replica* replica, const std::string& shared) {
    MeshAuthority::Options options;
    options.shared_roots = shared;
    auto opened = MeshAuthority::Open(options, replica->store.get(), &keys_, kNow);
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
