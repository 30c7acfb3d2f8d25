// Certificates that were revoked before they expire: issued as a certificate revocation list, and
// read back by those who verify peers.
//
// Pure; any thread. Times are seconds since the epoch. Source: RFC 5280 section 5; xDS field
// CertificateValidationContext.crl.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "certs/authority.h"
#include "certs/certificate.h"

namespace tulle::certs {

struct RevokedSerial {
  std::string serial;  // lower-case hex, as Certificate::serial()
  std::int64_t revoked_at = 0;
};

// PEM text signed by the issuer. It is valid as long as the issuer is: a list that expires would
// end all connections when the control plane is away.
absl::StatusOr<std::string> IssueRevocationList(const Authority& issuer,
                                                std::span<const RevokedSerial> revoked,
                                                std::int64_t now);

class RevocationList {
 public:
  // Adds the lists in `pem`, at least one. Each must be signed by one of `roots`. An expired list
  // still counts: what is revoked stays revoked.
  absl::Status Add(std::string_view pem, std::span<const Certificate> roots);

  bool Contains(const Certificate& certificate) const;
  // Whether each certificate that is revoked here is revoked in `other` too.
  bool IsSubsetOf(const RevocationList& other) const;
  bool empty() const { return entries_.empty(); }
  // Equal for equal content.
  std::string ContentHash() const;

 private:
  std::set<std::string> entries_;  // the issuer's name as DER, then the serial number
};

}  // namespace tulle::certs
