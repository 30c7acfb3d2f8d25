// Certificate signing requests (PKCS#10, RFC 2986).
//
// A request proves possession of a key and nothing else: requested names are not even read,
// because the identity comes from the caller's token or certificate. Labels are what the workload
// says of itself (workload_labels.h).
#pragma once

#include <openssl/base.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "certs/spiffe_id.h"
#include "certs/workload_labels.h"

namespace tulle::certs {

class CertificateRequest {
 public:
  static constexpr std::size_t kMaxBytes = 64 * 1024;

  // PEM or DER. Fails unless the request is signed by its own key, the key is P-256 or Ed25519, and
  // its labels, if any, are valid.
  static absl::StatusOr<CertificateRequest> Parse(std::string_view pem_or_der);

  EVP_PKEY* public_key() const { return key_.get(); }
  std::string PublicKeyHash() const { return PublicKeyHashOf(key_.get()); }
  // As in the certificate; empty: none.
  const std::string& labels() const { return labels_; }

 private:
  CertificateRequest(std::shared_ptr<EVP_PKEY> key, std::string labels)
      : key_(std::move(key)), labels_(std::move(labels)) {}

  std::shared_ptr<EVP_PKEY> key_;
  std::string labels_;
};

// A PEM request for `key` that names `id` as its SAN, as other CAs expect it.
std::string BuildCertificateRequest(const PrivateKey& key, const SpiffeId& id,
                                    const WorkloadLabels& labels = {});

}  // namespace tulle::certs
