// Reads, generates and encodes private keys, and restricts their types.
#include "certs/private_key.h"

#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "certs/der.h"

namespace tulle::certs {
namespace {

constexpr std::size_t kMaxKeyPemBytes = 64 * 1024;
constexpr int kMinRsaBits = 2048;

absl::Status BadKey(std::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(
      std::string(what) +
      "; give an unencrypted PEM key (PKCS#8), P-256, P-384, Ed25519 or RSA of 2048 bits or more");
}

bool IsAcceptable(const EVP_PKEY* key) {
  switch (AlgorithmOf(key)) {
    case KeyAlgorithm::kP256:
    case KeyAlgorithm::kEd25519:
      return true;
    case KeyAlgorithm::kRsa:
      return EVP_PKEY_bits(key) >= kMinRsaBits;
    case KeyAlgorithm::kOther:
      return EVP_PKEY_id(key) == EVP_PKEY_EC;
  }
  return false;
}

absl::StatusOr<PrivateKey> Accept(bssl::UniquePtr<EVP_PKEY> key) {
  if (key == nullptr) return BadKey("invalid private key");
  if (!IsAcceptable(key.get())) return BadKey("unsupported private key type");
  return PrivateKey::Wrap(std::move(key));
}

// "BEGIN EC PRIVATE KEY" and "BEGIN RSA PRIVATE KEY": what openssl writes on request.
bssl::UniquePtr<EVP_PKEY> ParseTraditional(std::string_view label, CBS* cbs) {
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (label == "EC PRIVATE KEY") {
    bssl::UniquePtr<EC_KEY> ec(EC_KEY_parse_private_key(cbs, nullptr));
    if (ec == nullptr || !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) return nullptr;
    return key;
  }
  bssl::UniquePtr<RSA> rsa(RSA_parse_private_key(cbs));
  if (rsa == nullptr || !EVP_PKEY_set1_RSA(key.get(), rsa.get())) return nullptr;
  return key;
}

}  // namespace

KeyAlgorithm AlgorithmOf(const EVP_PKEY* key) {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_ED25519:
      return KeyAlgorithm::kEd25519;
    case EVP_PKEY_RSA:
      return KeyAlgorithm::kRsa;
    case EVP_PKEY_EC: {
      const EC_GROUP* group = EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key));
      return EC_GROUP_get_curve_name(group) == NID_X9_62_prime256v1 ? KeyAlgorithm::kP256
                                                                    : KeyAlgorithm::kOther;
    }
    default:
      return KeyAlgorithm::kOther;
  }
}

std::string PublicKeyHashOf(const EVP_PKEY* key) {
  return HexSha256(Marshal([key](CBB* out) { return EVP_marshal_public_key(out, key); }));
}

PrivateKey PrivateKey::Wrap(bssl::UniquePtr<EVP_PKEY> key) {
  return PrivateKey(std::shared_ptr<EVP_PKEY>(key.release(), EVP_PKEY_free));
}

absl::StatusOr<PrivateKey> PrivateKey::FromPkcs8(std::string_view der) {
  CBS cbs = ToCbs(der);
  bssl::UniquePtr<EVP_PKEY> key(EVP_parse_private_key(&cbs));
  if (key != nullptr && CBS_len(&cbs) != 0) return BadKey("unexpected bytes after the private key");
  return Accept(std::move(key));
}

absl::StatusOr<PrivateKey> PrivateKey::FromPem(std::string_view pem) {
  const auto blocks = ParsePem(pem, {.max_bytes = kMaxKeyPemBytes, .max_blocks = 64});
  if (!blocks.ok()) return blocks.status();
  for (const PemBlock& block : *blocks) {
    if (block.label == "PRIVATE KEY") return FromPkcs8(block.der);
    if (block.label == "EC PRIVATE KEY" || block.label == "RSA PRIVATE KEY") {
      CBS cbs = ToCbs(block.der);
      return Accept(ParseTraditional(block.label, &cbs));
    }
  }
  return BadKey("no private key found in the PEM text");
}

std::string PrivateKey::ToPkcs8() const {
  return Marshal([this](CBB* out) { return EVP_marshal_private_key(out, key_.get()); });
}

std::string PrivateKey::ToPem() const { return EncodePem("PRIVATE KEY", ToPkcs8()); }

KeyAlgorithm PrivateKey::algorithm() const { return AlgorithmOf(key_.get()); }

std::string PrivateKey::PublicKeyHash() const { return PublicKeyHashOf(key_.get()); }

PrivateKey SystemKeySource::Generate() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  EC_KEY_generate_key(ec.get());
  EVP_PKEY_set1_EC_KEY(key.get(), ec.get());
  return PrivateKey::Wrap(std::move(key));
}

void SystemKeySource::FillRandom(std::span<std::uint8_t> out) {
  RAND_bytes(out.data(), out.size());
}

std::array<std::uint8_t, 32> SeededKeySource::NextBlock() {
  std::uint64_t input[2] = {seed_, counter_++};
  std::array<std::uint8_t, 32> block;
  SHA256(reinterpret_cast<const std::uint8_t*>(input), sizeof(input), block.data());
  return block;
}

PrivateKey SeededKeySource::Generate() {
  const auto seed = NextBlock();
  return PrivateKey::Wrap(bssl::UniquePtr<EVP_PKEY>(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size())));
}

void SeededKeySource::FillRandom(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const auto block = NextBlock();
    const std::size_t count = std::min(out.size(), block.size());
    std::memcpy(out.data(), block.data(), count);
    out = out.subspan(count);
  }
}

}  // namespace tulle::certs
