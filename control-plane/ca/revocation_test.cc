// Revoking the certificates of an identity: which ones, that it survives a restart, and what peers
// are told.
#include <gtest/gtest.h>

#include "certs/authority.h"
#include "certs/certificate.h"
#include "certs/csr.h"
#include "certs/revocation_list.h"
#include "certs/trust_bundle.h"
#include "certs/verify_peer.h"
#include "control-plane/ca/mesh_authority.h"
#include "control-plane/store/sqlite_store.h"

namespace tulle::ca {
namespace {

constexpr int64_t kNow = 1'790'000'000;

certs::SpiffeId Id(const std::string& account) {
  return *certs::SpiffeId::ForWorkload("cluster.local", "default", account);
}

class RevocationTest : public testing::Test {
 protected:
  RevocationTest() : store_(*store::SqliteStore::Open(":memory:")) { Reopen(); }

  void Reopen() {
    auto opened = MeshAuthority::Open({}, store_.get(), &keys_, kNow);
    ASSERT_TRUE(opened.ok()) << opened.status();
    authority_ = *std::move(opened);
  }

  certs::Certificate Issue(const std::string& account,
                           MeshAuthority::Holder holder = MeshAuthority::Holder::kSidecar,
                           const std::string& renews = "") {
    const std::string csr = certs::BuildCertificateRequest(keys_.Generate(), Id(account));
    const auto issued =
        authority_->Issue(Id(account), csr, std::nullopt, holder, kNow, {renews, "10.0.0.1", ""});
    EXPECT_TRUE(issued.ok()) << issued.status();
    return certs::ParsePemCertificates(issued->certificate_pem)->front();
  }

  // As a sidecar sees a peer that presents it.
  bool IsAccepted(const certs::Certificate& leaf) {
    auto bundle = certs::TrustBundle::FromPem("cluster.local", authority_->trust_bundle_pem());
    if (!authority_->revocations_pem().empty()) {
      EXPECT_TRUE(bundle->AddRevocations(authority_->revocations_pem()).ok());
    }
    const std::string_view chain[] = {leaf.der()};
    return std::holds_alternative<certs::PeerIdentity>(certs::VerifyPeer(chain, *bundle, kNow, {}));
  }

  certs::SystemKeySource keys_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<MeshAuthority> authority_;
};

TEST_F(RevocationTest, EveryCertificateOfTheIdentityIsRevokedAndNoOther) {
  const certs::Certificate joined = Issue("post");
  const certs::Certificate renewed =
      Issue("post", MeshAuthority::Holder::kSidecar, joined.sha256());
  const certs::Certificate in_file = Issue("post", MeshAuthority::Holder::kFile);
  const certs::Certificate other = Issue("postal");
  EXPECT_TRUE(authority_->revocations_pem().empty());

  EXPECT_EQ(*authority_->Revoke(Id("post"), "ann", kNow), 3u);
  EXPECT_FALSE(IsAccepted(joined));
  EXPECT_FALSE(IsAccepted(renewed));
  EXPECT_FALSE(IsAccepted(in_file));
  EXPECT_TRUE(IsAccepted(other));
  EXPECT_TRUE(authority_->IsRevoked(Id("post").ToString(), joined));
  EXPECT_FALSE(authority_->IsRevoked(Id("postal").ToString(), other));
}

TEST_F(RevocationTest, TheIdentityMayJoinAgain) {
  Issue("post");
  ASSERT_EQ(*authority_->Revoke(Id("post"), "ann", kNow), 1u);
  const certs::Certificate anew = Issue("post");
  EXPECT_TRUE(IsAccepted(anew));
  EXPECT_FALSE(authority_->IsRevoked(Id("post").ToString(), anew));
}

TEST_F(RevocationTest, ARestartKeepsIt) {
  const certs::Certificate revoked = Issue("post");
  const certs::Certificate other = Issue("payment");
  ASSERT_TRUE(authority_->Revoke(Id("post"), "ann", kNow).ok());
  Reopen();
  EXPECT_FALSE(IsAccepted(revoked));
  EXPECT_TRUE(IsAccepted(other));
  // What was issued before the restart can still be revoked.
  EXPECT_EQ(*authority_->Revoke(Id("payment"), "ann", kNow), 1u);
  EXPECT_FALSE(IsAccepted(other));
}

TEST_F(RevocationTest, BothRootsOfARotationSignTheList) {
  const certs::Certificate old = Issue("post");
  authority_->rotation().OnConnected("other");
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  authority_->rotation().OnAcknowledged("other");
  ASSERT_TRUE(authority_->Revoke(Id("post"), "ann", kNow).ok());
  ASSERT_TRUE(*authority_->AdvanceRotation(kNow));
  ASSERT_EQ(authority_->rotation().phase(), RotationPhase::kRenewing);
  const certs::Certificate anew = Issue("post");
  EXPECT_FALSE(IsAccepted(old));
  EXPECT_TRUE(IsAccepted(anew));
  ASSERT_EQ(*authority_->Revoke(Id("post"), "ann", kNow), 1u);
  EXPECT_FALSE(IsAccepted(anew));
}

TEST_F(RevocationTest, ARotationDoesNotWaitForTheIdentity) {
  const certs::Certificate leaf = Issue("post");
  Issue("post");  // no proxy has presented this one
  authority_->rotation().OnConnected("post-1",
                                     {Id("post").ToString(), leaf.sha256(), leaf.not_after()});
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  EXPECT_EQ(authority_->rotation().waiting(), std::vector<std::string>{"post-1"});
  ASSERT_TRUE(authority_->Revoke(Id("post"), "ann", kNow).ok());
  EXPECT_TRUE(authority_->rotation().waiting().empty());
  EXPECT_TRUE(*authority_->AdvanceRotation(kNow));
}

TEST_F(RevocationTest, ExpiredCertificatesAreForgotten) {
  const certs::Certificate leaf = Issue("post");
  ASSERT_TRUE(authority_->Revoke(Id("post"), "ann", kNow).ok());
  const int64_t expired = leaf.not_after() + certs::kBackdateSeconds;
  ASSERT_TRUE(authority_->AdvanceRotation(expired - 1).ok());
  EXPECT_FALSE(authority_->revocations_pem().empty());
  ASSERT_TRUE(authority_->AdvanceRotation(expired).ok());
  EXPECT_TRUE(authority_->revocations_pem().empty());
  EXPECT_EQ(*authority_->Revoke(Id("post"), "ann", expired), 0u);
  EXPECT_TRUE(store_->List(store::Collection::kCertificate)->empty());
}

// The largest list that one identity can cause, signed by both roots of a rotation, is one that
// sidecars accept: docs/identity.md has the sizes.
TEST_F(RevocationTest, TheListOfAnIdentityAtItsLimitIsAccepted) {
  const std::string pattern = Issue("post").serial();
  std::vector<certs::RevokedSerial> revoked;
  for (size_t i = 0; i < MeshAuthority::Options().most_valid_of_one_identity; ++i) {
    std::string serial = pattern;
    const std::string number = std::to_string(100'000 + i);
    serial.replace(serial.size() - number.size(), number.size(), number);
    revoked.push_back({std::move(serial), kNow});
  }
  std::string lists;
  std::string roots;
  for (int i = 0; i < 2; ++i) {
    const auto root = certs::Authority::CreateRoot("cluster.local", keys_, kNow);
    lists += *certs::IssueRevocationList(*root, revoked, kNow);
    roots += root->certificate().ToPem();
  }
  auto bundle = certs::TrustBundle::FromPem("cluster.local", roots);
  EXPECT_TRUE(bundle->AddRevocations(lists).ok());
  EXPECT_LT(lists.size(), 2'200'000u);
}

// A full disk: what could be lost in a restart is not called done.
class FullStore : public store::Store {
 public:
  explicit FullStore(store::Store& store) : store_(store) {}
  absl::StatusOr<int64_t> Commit(const store::Transaction& transaction) override {
    if (is_full) return absl::ResourceExhaustedError("disk full");
    return store_.Commit(transaction);
  }
  absl::StatusOr<std::optional<store::Record>> Get(store::Collection collection,
                                                   std::string_view key) override {
    return store_.Get(collection, key);
  }
  absl::StatusOr<std::vector<store::Record>> List(store::Collection collection) override {
    return store_.List(collection);
  }
  absl::StatusOr<std::vector<store::PastRecord>> History(store::Collection collection,
                                                         std::string_view key) override {
    return store_.History(collection, key);
  }
  absl::StatusOr<std::vector<store::PastRecord>> AllHistory(store::Collection collection) override {
    return store_.AllHistory(collection);
  }
  absl::StatusOr<std::string> Image() override { return store_.Image(); }
  absl::StatusOr<int64_t> RevisionOf(store::Collection collection) override {
    return store_.RevisionOf(collection);
  }

  bool is_full = false;

 private:
  store::Store& store_;
};

TEST_F(RevocationTest, WhatCannotBeStoredIsNotRevoked) {
  FullStore full(*store_);
  authority_ = *MeshAuthority::Open({}, &full, &keys_, kNow);
  const certs::Certificate leaf = Issue("post");
  full.is_full = true;
  EXPECT_FALSE(authority_->Revoke(Id("post"), "ann", kNow).ok());
  EXPECT_TRUE(IsAccepted(leaf));
  full.is_full = false;
  EXPECT_EQ(*authority_->Revoke(Id("post"), "ann", kNow), 1u);
  EXPECT_FALSE(IsAccepted(leaf));
}

}  // namespace
}  // namespace tulle::ca
