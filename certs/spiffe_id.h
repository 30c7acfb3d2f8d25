// SPIFFE IDs: the names of workloads, spiffe://TRUST-DOMAIN[/PATH].
//
// A value type: immutable, thread-compatible, cheap enough to copy at configuration time.
// Source: SPIFFE-ID.md sections 2 and 3. Kubernetes convention: /ns/NAMESPACE/sa/SERVICE-ACCOUNT.
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tulle::certs {

class SpiffeId {
 public:
  static constexpr std::size_t kMaxUriBytes = 2048;
  static constexpr std::size_t kMaxTrustDomainBytes = 255;

  // The scheme is accepted in any case and stored in lower case; everything else must already be in
  // its canonical form. A certificate's SAN must equal ToString() byte for byte, which VerifyPeer
  // checks.
  static absl::StatusOr<SpiffeId> Parse(std::string_view uri);

  static absl::StatusOr<SpiffeId> ForTrustDomain(std::string_view trust_domain);
  static absl::StatusOr<SpiffeId> ForWorkload(std::string_view trust_domain,
                                              std::string_view namespace_name,
                                              std::string_view service_account);

  static bool IsTrustDomain(std::string_view text);

  std::string_view trust_domain() const;
  // With its leading slash; empty for the ID of a trust domain itself.
  std::string_view path() const;
  const std::string& ToString() const { return uri_; }

  // Set only when the path is exactly /ns/NAMESPACE/sa/SERVICE-ACCOUNT.
  std::optional<std::string_view> namespace_name() const;
  std::optional<std::string_view> service_account() const;

  friend bool operator==(const SpiffeId& a, const SpiffeId& b) { return a.uri_ == b.uri_; }
  friend auto operator<=>(const SpiffeId& a, const SpiffeId& b) { return a.uri_ <=> b.uri_; }

 private:
  SpiffeId(std::string uri, std::size_t path_at) : uri_(std::move(uri)), path_at_(path_at) {}

  std::string uri_;
  std::size_t path_at_;
};

}  // namespace tulle::certs
