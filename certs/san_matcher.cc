// Compiles and evaluates matchers for subject alternative names.
#include "certs/san_matcher.h"

#include <re2/re2.h>

#include <algorithm>
#include <vector>

#include "absl/status/status.h"

namespace tulle::certs {
namespace {

std::string ToLower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

// RFC 6125, 6.4.3: the wildcard is the whole left-most label and stands for exactly one.
bool HostMatches(std::string_view host, std::string_view name) {
  if (host == name) return true;
  if (name.substr(0, 2) != "*.") return false;
  const std::size_t dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && host.substr(dot) == name.substr(1);
}

const std::vector<std::string>& NamesOf(const Certificate& certificate, SanType type) {
  switch (type) {
    case SanType::kUri:
      return certificate.uri_sans();
    case SanType::kDns:
      return certificate.dns_sans();
    case SanType::kIp:
      return certificate.ip_sans();
  }
  return certificate.uri_sans();
}

}  // namespace

SanMatcher::SanMatcher(SanType type, SanMatch match, std::string pattern, bool ignore_case)
    : type_(type),
      match_(match),
      ignore_case_(ignore_case),
      pattern_(ignore_case && match != SanMatch::kRegex ? ToLower(pattern) : std::move(pattern)) {}

absl::StatusOr<SanMatcher> SanMatcher::Make(SanType type, SanMatch match, std::string pattern,
                                            bool ignore_case) {
  SanMatcher matcher(type, match, std::move(pattern), ignore_case);
  if (match != SanMatch::kRegex) return matcher;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!ignore_case);
  auto regex = std::make_shared<re2::RE2>(matcher.pattern_, options);
  if (!regex->ok()) {
    return absl::InvalidArgumentError("invalid regex in SAN matcher (RE2): " + regex->error() +
                                      "; see the RE2 syntax page");
  }
  matcher.regex_ = std::move(regex);
  return matcher;
}

SanMatcher SanMatcher::ExactUri(std::string uri) {
  return SanMatcher(SanType::kUri, SanMatch::kExact, std::move(uri), false);
}

SanMatcher SanMatcher::ExactDns(std::string host) {
  return SanMatcher(SanType::kDns, SanMatch::kExact, std::move(host), false);
}

bool SanMatcher::MatchesText(std::string_view name) const {
  if (match_ == SanMatch::kRegex) {
    return re2::RE2::FullMatch(re2::StringPiece(name.data(), name.size()), *regex_);
  }
  if (type_ == SanType::kDns && match_ == SanMatch::kExact) {
    return HostMatches(ToLower(pattern_), ToLower(name));
  }
  const std::string lower = ignore_case_ ? ToLower(name) : std::string();
  const std::string_view text = ignore_case_ ? std::string_view(lower) : name;
  switch (match_) {
    case SanMatch::kExact:
      return text == pattern_;
    case SanMatch::kPrefix:
      return text.substr(0, pattern_.size()) == pattern_;
    case SanMatch::kSuffix:
      return text.size() >= pattern_.size() &&
             text.substr(text.size() - pattern_.size()) == pattern_;
    case SanMatch::kContains:
      return text.find(pattern_) != std::string_view::npos;
    case SanMatch::kRegex:
      break;
  }
  return false;
}

bool SanMatcher::Matches(const Certificate& certificate) const {
  const auto& names = NamesOf(certificate, type_);
  return std::any_of(names.begin(), names.end(),
                     [this](const std::string& name) { return MatchesText(name); });
}

bool MatchesAny(std::span<const SanMatcher> matchers, const Certificate& certificate) {
  return matchers.empty() ||
         std::any_of(matchers.begin(), matchers.end(),
                     [&](const SanMatcher& matcher) { return matcher.Matches(certificate); });
}

}  // namespace tulle::certs
