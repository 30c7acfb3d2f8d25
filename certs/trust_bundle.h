// The trusted root certificates of one or more trust domains.
//
// Built once and then shared immutably between threads. A CA of one trust domain never vouches
// for another (SPIFFE X509-SVID.md section 5): roots are kept apart by domain. A bundle "of any
// domain" results from a plain trusted_ca file: no domain is known, so its roots are accepted for
// every name, and the SAN matchers restrict the names.
#pragma once

#include <openssl/base.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "certs/certificate.h"
#include "certs/revocation_list.h"

namespace tulle::certs {

// The roots of one trust domain, with the store that path validation reads.
struct RootSet {
  std::vector<Certificate> certificates;
  std::shared_ptr<X509_STORE> store;
};

class TrustBundle {
 public:
  TrustBundle() = default;  // trusts no peer
  static TrustBundle OfAnyDomain(std::vector<Certificate> roots);
  static TrustBundle OfDomain(std::string_view trust_domain, std::vector<Certificate> roots);
  // PEM text with at least one root.
  static absl::StatusOr<TrustBundle> AnyDomainFromPem(std::string_view pem);
  static absl::StatusOr<TrustBundle> FromPem(std::string_view trust_domain, std::string_view pem);

  // Adds roots to a domain (root rotation: old and new together) or a further domain.
  absl::Status Add(std::string_view trust_domain, std::vector<Certificate> roots);
  // Adds certificate revocation lists, each signed by a root that is in the bundle.
  absl::Status AddRevocations(std::string_view pem);

  // The roots trusted for this domain; null if there are none.
  const RootSet* RootsFor(std::string_view trust_domain) const;
  // The roots for peers without a SPIFFE ID: those of any domain, otherwise those of the only
  // domain.
  const RootSet* RootsForUnnamed() const;

  // Whether every peer that `other` trusts is trusted here too, whatever its trust domain. False
  // when the roots alone do not prove it.
  bool Covers(const TrustBundle& other) const;

  const RevocationList& revocations() const { return revocations_; }
  bool knows_any_domain() const { return any_ != nullptr; }
  bool empty() const { return any_ == nullptr && domains_.empty(); }
  std::vector<std::string> trust_domains() const;
  // All roots as PEM, by domain, then in the order they were added.
  std::string ToPem() const;
  // Equal for equal content regardless of the order in which roots were added: lower-case hex.
  std::string ContentHash() const;

 private:
  std::shared_ptr<const RootSet> any_;
  std::map<std::string, std::shared_ptr<const RootSet>, std::less<>> domains_;
  RevocationList revocations_;
};

// A SPIFFE bundle in JWKS form: its x509-svid roots, in order; none at all means all are revoked.
absl::StatusOr<std::vector<Certificate>> ParseSpiffeBundle(std::string_view json);
// {"trust_domains": {"TD": {bundle}, ...}}
absl::StatusOr<TrustBundle> ParseSpiffeBundleMap(std::string_view json);

}  // namespace tulle::certs
