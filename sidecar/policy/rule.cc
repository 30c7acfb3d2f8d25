// Compiles and evaluates trees of authorization rules.
#include "sidecar/policy/rule.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace tulle::policy {
namespace {

using Kind = RuleSpec::Kind;

constexpr std::string_view kMappedPrefix("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);

// An IPv4-mapped IPv6 address is treated as IPv4.
std::string_view Bytes(const SocketAddress& address) {
  const std::string_view bytes = address.ip_bytes();
  return bytes.starts_with(kMappedPrefix) ? bytes.substr(kMappedPrefix.size()) : bytes;
}

bool NeedsChildren(Kind kind) {
  return kind == Kind::kAnd || kind == Kind::kOr || kind == Kind::kNot;
}

absl::Status Check(const RuleSpec& spec) {
  if (NeedsChildren(spec.kind) && spec.children.empty()) {
    return absl::InvalidArgumentError("and, or and not require at least one rule");
  }
  if (spec.kind == Kind::kNot && spec.children.size() != 1) {
    return absl::InvalidArgumentError("not requires exactly one rule");
  }
  const bool needs_string = spec.kind == Kind::kUrlPath || spec.kind == Kind::kServerName;
  if (needs_string && !spec.string) {
    return absl::InvalidArgumentError("url_path and requested_server_name require a string match");
  }
  return absl::OkStatus();
}

}  // namespace

bool Contains(const Cidr& cidr, const SocketAddress& address) {
  if (!address.is_set()) return false;
  std::string_view want = cidr.address.ip_bytes();
  std::string_view have = address.ip_bytes();
  if (want.size() != have.size()) {
    want = Bytes(cidr.address);
    have = Bytes(address);
  }
  if (want.size() != have.size()) return false;
  const size_t whole = cidr.bits / 8;
  if (whole > want.size() || want.substr(0, whole) != have.substr(0, whole)) return false;
  const int rest = cidr.bits % 8;
  if (rest == 0) return true;
  if (whole >= want.size()) return false;
  const auto mask = static_cast<unsigned char>(0xff << (8 - rest));
  return ((static_cast<unsigned char>(want[whole]) ^ static_cast<unsigned char>(have[whole])) &
          mask) == 0;
}

std::optional<Cidr> ParseCidr(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = SocketAddress::Parse(text.substr(0, slash), 0);
  const std::string_view digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!address || !whole || bits > (address->is_v6() ? 128u : 32u)) return std::nullopt;
  return Cidr{*address, static_cast<uint8_t>(bits)};
}

absl::StatusOr<Rule> Rule::Compile(const RuleSpec& spec) {
  if (auto status = Check(spec); !status.ok()) return status;
  Rule rule;
  rule.kind_ = spec.kind;
  rule.cidr_ = spec.cidr;
  rule.port_first_ = spec.port_first;
  rule.port_last_ = spec.port_last;
  for (const RuleSpec& child : spec.children) {
    auto compiled = Compile(child);
    if (!compiled.ok()) return compiled.status();
    rule.children_.push_back(*std::move(compiled));
  }
  if (spec.kind == Kind::kHeader) {
    auto header = match::HeaderMatch::Compile(spec.header);
    if (!header.ok()) return header.status();
    rule.header_ = *std::move(header);
  }
  if (spec.string) {
    auto string = match::StringMatch::Compile(*spec.string);
    if (!string.ok()) return string.status();
    rule.string_ = *std::move(string);
  }
  return rule;
}

bool Rule::PathHolds(const Subject& subject, IfUnknown if_unknown) const {
  if (subject.head == nullptr) return if_unknown == IfUnknown::kMatches;
  const std::string_view path = subject.head->path;
  return string_->Matches(path.substr(0, path.find('?')));
}

// The URI and DNS names; the subject if there are neither, or if the result may be unknown (Envoy
// checks it last).
bool Rule::PeerHolds(const Subject& subject, IfUnknown if_unknown) const {
  if (!subject.authenticated) return false;
  if (!string_) return true;
  const auto matches = [this](std::string_view name) { return string_->Matches(name); };
  if (std::any_of(subject.uri_sans.begin(), subject.uri_sans.end(), matches)) return true;
  if (std::any_of(subject.dns_sans.begin(), subject.dns_sans.end(), matches)) return true;
  const bool nameless = subject.uri_sans.empty() && subject.dns_sans.empty();
  return (nameless || if_unknown == IfUnknown::kMatches) && matches(subject.subject);
}

bool Rule::Holds(const Subject& subject, IfUnknown if_unknown) const {
  const auto holds = [&](const Rule& rule) { return rule.Holds(subject, if_unknown); };
  switch (kind_) {
    case Kind::kAny:
      return true;
    case Kind::kAnd:
      return std::all_of(children_.begin(), children_.end(), holds);
    case Kind::kOr:
      return std::any_of(children_.begin(), children_.end(), holds);
    case Kind::kNot:
      return !children_[0].Holds(subject, if_unknown == IfUnknown::kMatches
                                              ? IfUnknown::kDoesNotMatch
                                              : IfUnknown::kMatches);
    case Kind::kHeader:
      if (subject.head == nullptr) return if_unknown == IfUnknown::kMatches;
      return header_->Matches(*subject.head, if_unknown == IfUnknown::kMatches
                                                 ? match::Reading::kAnyValue
                                                 : match::Reading::kEveryValue);
    case Kind::kUrlPath:
      return PathHolds(subject, if_unknown);
    case Kind::kDestinationIp:
      return Contains(cidr_, subject.destination);
    case Kind::kDestinationPort:
      return subject.destination.is_set() && subject.destination.port() >= port_first_ &&
             subject.destination.port() <= port_last_;
    case Kind::kServerName:
      return string_->Matches(subject.server_name);
    case Kind::kAuthenticated:
      return PeerHolds(subject, if_unknown);
    case Kind::kDirectRemoteIp:
      return Contains(cidr_, subject.direct_remote);
    case Kind::kRemoteIp:
      return Contains(cidr_, subject.remote.is_set() ? subject.remote : subject.direct_remote);
  }
  return if_unknown == IfUnknown::kMatches;
}

std::string Rule::Property(const Subject& subject) const {
  switch (kind_) {
    case Kind::kAny:
      return "request";
    case Kind::kAnd:
    case Kind::kOr:
    case Kind::kNot:
      return children_[0].Property(subject);
    case Kind::kHeader:
      if (header_->name() == ":method") return "method";
      if (header_->name() == ":path") return "path";
      return "header " + std::string(header_->name());
    case Kind::kUrlPath:
      return "path";
    case Kind::kDestinationIp:
    case Kind::kDestinationPort:
      return "destination of the connection";
    case Kind::kServerName:
      return "server name (SNI)";
    case Kind::kAuthenticated:
      return subject.authenticated ? "caller" : "caller, which has no certificate,";
    case Kind::kDirectRemoteIp:
    case Kind::kRemoteIp:
      return "address of the caller";
  }
  return "request";
}

std::string Rule::Mismatch(const Subject& subject, IfUnknown if_unknown) const {
  if (Holds(subject, if_unknown)) return "";
  if (kind_ == Kind::kNot) return Property(subject) + " is excluded";
  if (kind_ != Kind::kAnd) return Property(subject) + " does not match";
  for (const Rule& child : children_) {
    if (std::string why = child.Mismatch(subject, if_unknown); !why.empty()) return why;
  }
  return "";
}

bool Rule::Asks(RuleSpec::Kind kind) const {
  return kind_ == kind || std::any_of(children_.begin(), children_.end(),
                                      [kind](const Rule& rule) { return rule.Asks(kind); });
}

bool Rule::asks_path() const {
  if (kind_ == Kind::kUrlPath || (header_ && header_->name() == ":path")) return true;
  return std::any_of(children_.begin(), children_.end(),
                     [](const Rule& rule) { return rule.asks_path(); });
}

bool Rule::asks_header() const { return Asks(Kind::kHeader); }

}  // namespace tulle::policy
