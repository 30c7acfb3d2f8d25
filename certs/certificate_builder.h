// Builds a certificate field by field and signs it: used by Authority, and by test fixtures for
// certificates that Authority would never issue.
#pragma once

#include <openssl/base.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "certs/certificate.h"

namespace tulle::certs {

struct AlternativeNames {
  std::vector<std::string> uris = {};
  std::vector<std::string> dns = {};
  std::vector<std::string> ips = {};  // as text; an invalid address is an error

  bool empty() const { return uris.empty() && dns.empty() && ips.empty(); }
};

struct CertificateFields {
  std::string organization;  // both empty: an empty subject
  std::string common_name;
  std::string serial;  // raw bytes, big endian, the first below 0x80
  std::int64_t not_before = 0;
  std::int64_t not_after = 0;
  AlternativeNames names;
  bool names_critical = false;
  // In openssl's x509v3_config notation; empty: no such extension.
  std::string basic_constraints;
  std::string key_usage;
  std::string extended_key_usage;
  std::string labels;  // as of workload_labels.h; empty: no such extension
};

// Signs with `issuer_key`. `issuer` null: self-signed.
absl::StatusOr<Certificate> BuildCertificate(const CertificateFields& fields, EVP_PKEY* public_key,
                                             const Certificate* issuer, EVP_PKEY* issuer_key);

// Null if a name cannot be encoded.
bssl::UniquePtr<GENERAL_NAMES> MakeGeneralNames(const AlternativeNames& names);

// Ed25519 signs without a digest.
const EVP_MD* DigestFor(const EVP_PKEY* key);

}  // namespace tulle::certs
