// Private keys: P-256 (the default everywhere) and Ed25519 (simulation, and user-supplied keys).
//
// PrivateKey is an immutable, shared value, safe to use from any thread. Its bytes are only
// available through ToPkcs8*: never log the result. KeySource is the seam of key generation: the
// real one uses the system's randomness, the seeded one gives the simulator equal keys (and equal
// Ed25519 signatures) for equal seeds.
#pragma once

#include <openssl/base.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tulle::certs {

enum class KeyAlgorithm { kP256, kEd25519, kRsa, kOther };

class PrivateKey {
 public:
  // RSA keys of at least 2048 bits and P-384 keys are also accepted from a file (a server's own
  // certificate); Tulle's CA does not sign them.
  static absl::StatusOr<PrivateKey> FromPem(std::string_view pem);
  static absl::StatusOr<PrivateKey> FromPkcs8(std::string_view der);
  static PrivateKey Wrap(bssl::UniquePtr<EVP_PKEY> key);

  std::string ToPkcs8() const;
  std::string ToPem() const;

  KeyAlgorithm algorithm() const;
  // SHA-256 of the DER SubjectPublicKeyInfo, lower-case hex.
  std::string PublicKeyHash() const;
  EVP_PKEY* native() const { return key_.get(); }

 private:
  explicit PrivateKey(std::shared_ptr<EVP_PKEY> key) : key_(std::move(key)) {}

  std::shared_ptr<EVP_PKEY> key_;
};

KeyAlgorithm AlgorithmOf(const EVP_PKEY* key);
std::string PublicKeyHashOf(const EVP_PKEY* key);

// One per process (or per simulated process); used on the thread that owns the identity.
class KeySource {
 public:
  virtual ~KeySource() = default;
  virtual PrivateKey Generate() = 0;
  // Random bytes for serial numbers: unpredictable in the real one.
  virtual void FillRandom(std::span<std::uint8_t> out) = 0;
};

class SystemKeySource final : public KeySource {
 public:
  PrivateKey Generate() override;
  void FillRandom(std::span<std::uint8_t> out) override;
};

// For simulation and tests only: anyone who knows the seed knows the keys.
class SeededKeySource final : public KeySource {
 public:
  explicit SeededKeySource(std::uint64_t seed) : seed_(seed) {}
  PrivateKey Generate() override;
  void FillRandom(std::span<std::uint8_t> out) override;

 private:
  std::array<std::uint8_t, 32> NextBlock();

  std::uint64_t seed_;
  std::uint64_t counter_ = 0;
};

}  // namespace tulle::certs
