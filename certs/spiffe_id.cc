// Parses and formats SPIFFE IDs strictly.
#include "certs/spiffe_id.h"

#include <algorithm>

#include "absl/status/status.h"
#include "certs/spiffe_names.h"

namespace tulle::certs {
namespace {

constexpr std::string_view kScheme = kSpiffeScheme;

bool IsLowerOrDigit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool IsPunctuation(char c) { return c == '.' || c == '-' || c == '_'; }

bool IsTrustDomainChar(char c) { return IsLowerOrDigit(c) || IsPunctuation(c); }

bool IsPathChar(char c) { return IsLowerOrDigit(c) || IsPunctuation(c) || (c >= 'A' && c <= 'Z'); }

bool IsSegment(std::string_view segment) {
  return !segment.empty() && segment != "." && segment != ".." &&
         std::all_of(segment.begin(), segment.end(), IsPathChar);
}

bool HasScheme(std::string_view uri) {
  if (uri.size() < kScheme.size()) return false;
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = uri[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != kScheme[i]) return false;
  }
  return true;
}

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(
      std::string(what) +
      "; write it as spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT, with a-z 0-9 . - _ in "
      "the trust domain and a-z A-Z 0-9 . - _ in the path");
}

// REQUIRES: path is empty or begins with '/'.
bool IsPath(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    if (!IsSegment(path.substr(0, end))) return false;
    path.remove_prefix(end);
  }
  return true;
}

}  // namespace

bool SpiffeId::IsTrustDomain(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTrustDomainBytes &&
         std::all_of(text.begin(), text.end(), IsTrustDomainChar);
}

absl::StatusOr<SpiffeId> SpiffeId::Parse(std::string_view uri) {
  if (uri.size() > kMaxUriBytes) return Malformed("SPIFFE ID exceeds 2048 bytes");
  if (!HasScheme(uri)) return Malformed("SPIFFE ID must begin with spiffe://");
  const std::string_view rest = uri.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  if (!IsTrustDomain(rest.substr(0, slash))) {
    return Malformed(
        "the trust domain of a SPIFFE ID is empty, too long or has a character that "
        "is not allowed");
  }
  if (!IsPath(rest.substr(slash))) {
    return Malformed(
        "the path of a SPIFFE ID has an empty, '.' or '..' segment, ends in '/' or "
        "has a character that is not allowed");
  }
  std::string text(kScheme);
  text.append(rest);
  return SpiffeId(std::move(text), kScheme.size() + slash);
}

absl::StatusOr<SpiffeId> SpiffeId::ForTrustDomain(std::string_view trust_domain) {
  if (!IsTrustDomain(trust_domain)) return Malformed("invalid trust domain");
  std::string uri(kScheme);
  uri.append(trust_domain);
  return Parse(uri);
}

absl::StatusOr<SpiffeId> SpiffeId::ForWorkload(std::string_view trust_domain,
                                               std::string_view namespace_name,
                                               std::string_view service_account) {
  if (!IsTrustDomain(trust_domain) || !IsSegment(namespace_name) || !IsSegment(service_account)) {
    return Malformed("invalid trust domain, namespace or service account for a SPIFFE ID");
  }
  std::string uri(kScheme);
  uri.append(trust_domain).append("/ns/").append(namespace_name);
  uri.append("/sa/").append(service_account);
  return Parse(uri);
}

std::string_view SpiffeId::trust_domain() const {
  return std::string_view(uri_).substr(kScheme.size(), path_at_ - kScheme.size());
}

std::string_view SpiffeId::path() const { return std::string_view(uri_).substr(path_at_); }

std::optional<std::string_view> SpiffeId::namespace_name() const {
  const WorkloadNames names = WorkloadNamesOfPath(path());
  if (names.account.empty()) return std::nullopt;
  return names.namespace_name;
}

std::optional<std::string_view> SpiffeId::service_account() const {
  const WorkloadNames names = WorkloadNamesOfPath(path());
  if (names.account.empty()) return std::nullopt;
  return names.account;
}

}  // namespace tulle::certs
