#include "certs/private_key.h"

#include <gtest/gtest.h>

#include <array>

namespace tulle::certs {
namespace {

TEST(PrivateKey, RoundTripsThroughPemAndPkcs8) {
  SystemKeySource real;
  SeededKeySource seeded(7);
  for (KeySource* source : {static_cast<KeySource*>(&real), static_cast<KeySource*>(&seeded)}) {
    const PrivateKey key = source->Generate();
    const auto from_pem = PrivateKey::FromPem(key.ToPem());
    const auto from_der = PrivateKey::FromPkcs8(key.ToPkcs8());
    ASSERT_TRUE(from_pem.ok()) << from_pem.status();
    ASSERT_TRUE(from_der.ok()) << from_der.status();
    EXPECT_EQ(from_pem->PublicKeyHash(), key.PublicKeyHash());
    EXPECT_EQ(from_der->ToPkcs8(), key.ToPkcs8());
    EXPECT_EQ(key.PublicKeyHash().size(), 64u);
  }
}

TEST(PrivateKey, KindsOfKeys) {
  SystemKeySource real;
  SeededKeySource seeded(7);
  EXPECT_EQ(real.Generate().algorithm(), KeyAlgorithm::kP256);
  EXPECT_EQ(seeded.Generate().algorithm(), KeyAlgorithm::kEd25519);
  EXPECT_NE(real.Generate().ToPkcs8(), real.Generate().ToPkcs8());
}

TEST(PrivateKey, EqualSeedsGiveEqualKeysAndBytes) {
  SeededKeySource a(42), b(42), c(43);
  std::array<std::uint8_t, 70> x{}, y{}, z{};
  EXPECT_EQ(a.Generate().ToPkcs8(), b.Generate().ToPkcs8());
  c.Generate();
  a.FillRandom(x);
  b.FillRandom(y);
  c.FillRandom(z);
  EXPECT_EQ(x, y);
  EXPECT_NE(x, z);
}

// The output of `openssl ecparam -genkey`.
TEST(PrivateKey, ReadsTraditionalEcKeys) {
  const auto key = PrivateKey::FromPem(
      "-----BEGIN EC PRIVATE KEY-----\n"
      "MHcCAQEEIFPLeytNpKRcNI6WSg4ACDaNXH6rfqHol0V7HmkFtwJ0oAoGCCqGSM49\n"
      "AwEHoUQDQgAEs02Rksg3ASMkiD2zbICTON2rRnE9pHZs2gzhsW1vlJsreNBkqgNz\n"
      "cIq9uTXy2xrupFuJSWgsyb+SkoMpD1affg==\n"
      "-----END EC PRIVATE KEY-----\n");
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->algorithm(), KeyAlgorithm::kP256);
}

TEST(PrivateKey, RefusesInvalidKeys) {
  SystemKeySource source;
  const std::string der = source.Generate().ToPkcs8();
  EXPECT_FALSE(PrivateKey::FromPkcs8("").ok());
  EXPECT_FALSE(PrivateKey::FromPkcs8(der.substr(1)).ok());
  EXPECT_FALSE(PrivateKey::FromPkcs8(der + "x").ok());
  EXPECT_FALSE(PrivateKey::FromPem("nothing here").ok());
  EXPECT_FALSE(PrivateKey::FromPem(std::string(100'000, 'x')).ok());
}

}  // namespace
}  // namespace tulle::certs
