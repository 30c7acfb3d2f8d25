#include "certs/csr.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "certs/der.h"

namespace tulle::certs {
namespace {

const SpiffeId kId = *SpiffeId::Parse("spiffe://td/ns/a/sa/b");

TEST(CertificateRequest, RoundTrips) {
  SystemKeySource real;
  SeededKeySource seeded(1);
  for (const PrivateKey& key : {real.Generate(), seeded.Generate()}) {
    const std::string pem = BuildCertificateRequest(key, kId);
    const auto request = CertificateRequest::Parse(pem);
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->PublicKeyHash(), key.PublicKeyHash());
    const auto blocks = ParsePem(pem, {});
    EXPECT_TRUE(CertificateRequest::Parse(blocks->front().der).ok());
  }
}

TEST(CertificateRequest, CarriesLabels) {
  SystemKeySource keys;
  const PrivateKey key = keys.Generate();
  EXPECT_EQ(CertificateRequest::Parse(BuildCertificateRequest(key, kId))->labels(), "");
  const auto request = CertificateRequest::Parse(
      BuildCertificateRequest(key, kId, {{"version", "v2"}, {"app", "a"}}));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->labels(), "app=a,version=v2");
}

TEST(CertificateRequest, InvalidLabelsAreRefused) {
  SystemKeySource keys;
  for (const WorkloadLabels& labels :
       {WorkloadLabels{{"team", "a"}}, WorkloadLabels{{"app", std::string(64, 'x')}},
        WorkloadLabels{{"app", "a\nb"}}}) {
    const auto request =
        CertificateRequest::Parse(BuildCertificateRequest(keys.Generate(), kId, labels));
    EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(CertificateRequest, Fault40_OverlongIsRefusedUnread) {
  EXPECT_FALSE(CertificateRequest::Parse(std::string(64 * 1024 + 1, 'x')).ok());
}

TEST(CertificateRequest, Fault40_WeakKeysAreRefused) {
  bssl::UniquePtr<RSA> rsa(RSA_new());
  bssl::UniquePtr<BIGNUM> e(BN_new());
  BN_set_word(e.get(), RSA_F4);
  ASSERT_TRUE(RSA_generate_key_ex(rsa.get(), 1024, e.get(), nullptr));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  EVP_PKEY_set1_RSA(key.get(), rsa.get());
  const std::string pem = BuildCertificateRequest(PrivateKey::Wrap(std::move(key)), kId);
  ASSERT_FALSE(pem.empty());
  EXPECT_FALSE(CertificateRequest::Parse(pem).ok());
}

TEST(CertificateRequest, Fault40_ForeignSignatureIsRefused) {
  SystemKeySource keys;
  std::string der = ParsePem(BuildCertificateRequest(keys.Generate(), kId), {})->front().der;
  der[der.size() - 3] = static_cast<char>(der[der.size() - 3] ^ 1);
  EXPECT_FALSE(CertificateRequest::Parse(der).ok());
}

TEST(CertificateRequest, OtherTextsAreRefused) {
  SystemKeySource keys;
  EXPECT_FALSE(CertificateRequest::Parse("").ok());
  EXPECT_FALSE(CertificateRequest::Parse("hello").ok());
  EXPECT_FALSE(CertificateRequest::Parse(keys.Generate().ToPem()).ok());
}

}  // namespace
}  // namespace tulle::certs
