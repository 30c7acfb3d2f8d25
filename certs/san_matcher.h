// Which names a peer may carry: one entry of Envoy's match_typed_subject_alt_names.
//
// Immutable and shareable between threads. Source: envoy.extensions.transport_sockets.tls.v3
// SubjectAltNameMatcher, envoy.type.matcher.v3 StringMatcher.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "certs/certificate.h"

namespace re2 {
class RE2;
}

namespace tulle::certs {

enum class SanType { kUri, kDns, kIp };
enum class SanMatch { kExact, kPrefix, kSuffix, kContains, kRegex };

class SanMatcher {
 public:
  // Fails on a regular expression that is not valid RE2. A regex must match the whole name.
  static absl::StatusOr<SanMatcher> Make(SanType type, SanMatch match, std::string pattern,
                                         bool ignore_case = false);
  static SanMatcher ExactUri(std::string uri);
  // An exact DNS pattern is a host name: a certificate's "*.example.com" covers one label of it.
  static SanMatcher ExactDns(std::string host);

  // Whether both accept the same names for the same reason.
  bool operator==(const SanMatcher& other) const {
    return type_ == other.type_ && match_ == other.match_ && ignore_case_ == other.ignore_case_ &&
           pattern_ == other.pattern_;
  }

  bool Matches(const Certificate& certificate) const;
  bool MatchesText(std::string_view name) const;

  SanType type() const { return type_; }
  SanMatch match() const { return match_; }
  const std::string& pattern() const { return pattern_; }
  bool ignore_case() const { return ignore_case_; }

 private:
  SanMatcher(SanType type, SanMatch match, std::string pattern, bool ignore_case);

  SanType type_;
  SanMatch match_;
  bool ignore_case_;
  std::string pattern_;  // lower case if ignore_case_
  std::shared_ptr<const re2::RE2> regex_;
};

// True if the list is empty (any name matches) or one of its entries matches.
bool MatchesAny(std::span<const SanMatcher> matchers, const Certificate& certificate);

}  // namespace tulle::certs
