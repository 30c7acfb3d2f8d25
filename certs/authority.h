// A certificate authority: one self-signed root and its key, issuing leaf SVIDs.
//
// Immutable after creation; Issue may be called from any thread if the KeySource allows it.
// Times are seconds since the epoch, passed in. To rotate, create a second Authority, put both
// certificates in the TrustBundle, wait until all have acknowledged it, issue from the new one, and
// remove the old one. The caller stores the PEM (the key's with mode 0600). Source: SPIFFE
// X509-SVID.md sections 2 to 4.
#pragma once

#include <openssl/base.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/certificate.h"
#include "certs/private_key.h"
#include "certs/spiffe_id.h"

namespace tulle::certs {

inline constexpr std::int64_t kBackdateSeconds = 5 * 60;
inline constexpr std::int64_t kSvidLifetimeSeconds = 24 * 3600;
inline constexpr std::int64_t kRootLifetimeSeconds = std::int64_t{3650} * 24 * 3600;

struct SvidRequest {
  SpiffeId id;
  EVP_PKEY* public_key;  // P-256 or Ed25519; borrowed for the call
  std::int64_t lifetime_seconds = kSvidLifetimeSeconds;
  // For the control plane's own certificate, which is dialled by name.
  std::vector<std::string> dns_names = {};
  std::vector<std::string> ip_addresses = {};
  std::string labels = {};  // CertificateRequest::labels(); empty: none
};

class Authority {
 public:
  static absl::StatusOr<Authority> CreateRoot(std::string_view trust_domain, KeySource& keys,
                                              std::int64_t now,
                                              std::int64_t lifetime_seconds = kRootLifetimeSeconds);
  // REQUIRES: the certificate is a CA with the trust domain's SPIFFE ID, and the key is its own.
  static absl::StatusOr<Authority> FromPem(std::string_view certificate_pem,
                                           std::string_view key_pem);

  // The leaf is valid from five minutes ago and expires no later than its issuer. Fails when the
  // request is for another trust domain, when the key type is not supported, or when the root has
  // expired.
  absl::StatusOr<Certificate> Issue(const SvidRequest& request, KeySource& keys,
                                    std::int64_t now) const;

  // A certificate for the successor's name and key, signed by this root: a client that trusts only
  // this root can verify what the successor issues. Fails when the trust domains differ, or when
  // either root has expired.
  absl::StatusOr<Certificate> CrossSign(const Authority& successor, KeySource& keys,
                                        std::int64_t now) const;

  const Certificate& certificate() const { return certificate_; }
  const PrivateKey& key() const { return key_; }
  std::string_view trust_domain() const { return id_.trust_domain(); }

 private:
  Authority(SpiffeId id, Certificate certificate, PrivateKey key)
      : id_(std::move(id)), certificate_(std::move(certificate)), key_(std::move(key)) {}

  SpiffeId id_;
  Certificate certificate_;
  PrivateKey key_;
};

}  // namespace tulle::certs
