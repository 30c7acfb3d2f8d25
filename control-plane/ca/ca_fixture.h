// A certificate authority over a store in memory, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "certs/certificate.h"
#include "certs/csr.h"
#include "control-plane/ca/mesh_authority.h"
#include "control-plane/store/sqlite_store.h"

namespace tulle::ca {

inline constexpr int64_t kNow = 1'790'000'000;

inline certs::SpiffeId Id(const std::string& account) {
  return *certs::SpiffeId::ForWorkload("cluster.local", "default", account);
}

class CaTest : public testing::Test {
 protected:
  CaTest() : store_(*store::SqliteStore::Open(":memory:")) { Reopen(); }

  void Reopen() {
    auto opened = MeshAuthority::Open(options_, store_.get(), &keys_, kNow);
    ASSERT_TRUE(opened.ok()) << opened.status();
    authority_ = *std::move(opened);
  }

  absl::StatusOr<IssuedSvid> Issue(const certs::SpiffeId& caller, const std::string& csr) {
    return authority_->Issue(caller, csr, std::nullopt, MeshAuthority::Holder::kSidecar, kNow);
  }

  // Brings a rotation to its end, with one node that does all it should.
  void Rotate(int64_t now) {
    authority_->rotation().OnConnected("n");
    ASSERT_TRUE(authority_->BeginRotation(now).ok());
    authority_->rotation().OnAcknowledged("n");
    ASSERT_TRUE(*authority_->AdvanceRotation(now));
    authority_->rotation().OnRenewed("n");
    ASSERT_TRUE(*authority_->AdvanceRotation(now));
    ASSERT_EQ(authority_->rotation().phase(), RotationPhase::kSteady);
  }

  certs::Certificate IssueOrDie(const certs::SpiffeId& caller, const std::string& csr,
                                std::optional<int64_t> lifetime = std::nullopt) {
    const auto issued =
        authority_->Issue(caller, csr, lifetime, MeshAuthority::Holder::kSidecar, kNow);
    EXPECT_TRUE(issued.ok()) << issued.status();
    return certs::ParsePemCertificates(issued->certificate_pem)->front();
  }

  certs::SystemKeySource keys_;
  std::unique_ptr<store::SqliteStore> store_;
  MeshAuthority::Options options_;
  std::unique_ptr<MeshAuthority> authority_;
};

}  // namespace tulle::ca
