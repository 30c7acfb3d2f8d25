#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"
#include "net/http/head.h"
#include "sidecar/match/string_match.h"

namespace tulle::match {

// How repeated headers are matched. Routing reads the values joined by commas, as Envoy does.
// Authorization must not be fooled by a second copy: a deny rule matches if any copy could match,
// an allow rule only if it matches for certain.
enum class Reading : uint8_t { kJoined, kAnyValue, kEveryValue };

struct IntegerRange {
  int64_t start = 0;
  int64_t end = 0;  // exclusive

  bool operator==(const IntegerRange&) const = default;
};
struct Presence {
  bool present = true;

  bool operator==(const Presence&) const = default;
};

// envoy.config.route.v3.HeaderMatcher. A missing header matches no value (inverted or not) unless
// it is treated as empty.
struct HeaderSpec {
  // Any case; ":method", ":path", ":authority" (with or without the scheme's own port) and
  // ":scheme" too.
  std::string name{};
  std::variant<Presence, StringSpec, IntegerRange> value{};
  bool invert = false;
  bool missing_is_empty = false;

  bool operator==(const HeaderSpec&) const = default;
};

class HeaderMatch {
 public:
  static absl::StatusOr<HeaderMatch> Compile(HeaderSpec spec);

  // Allocates (from the headers' arena) only to join a repeated header, or to add a port.
  bool Matches(const http::Head& head, Reading reading = Reading::kJoined) const;
  std::string_view name() const { return spec_.name; }

 private:
  enum class Part : uint8_t { kHeader, kMethod, kPath, kAuthority, kScheme };

  explicit HeaderMatch(HeaderSpec spec) : spec_(std::move(spec)) {}
  bool Has(const http::Head& head) const;
  bool ValueMatches(std::string_view value) const;
  bool AuthorityMatches(const http::Head& head) const;
  bool RepeatedMatches(const http::Head& head, Reading reading) const;
  bool Is(const http::Header& header) const;

  HeaderSpec spec_;  // name in lower case
  http::HeaderId id_ = http::HeaderId::kOther;
  Part part_ = Part::kHeader;
  std::optional<StringMatch> string_;
};

}  // namespace tulle::match
