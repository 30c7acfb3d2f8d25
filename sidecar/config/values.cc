// Converts durations, addresses, data sources and string matchers.
#include "sidecar/config/values.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "absl/strings/str_cat.h"

namespace tulle::config {
namespace {

namespace core = envoy::config::core::v3;
using envoy::config::route::v3::HeaderMatcher;
using envoy::type::matcher::v3::StringMatcher;

constexpr int64_t kMaxSeconds = 10LL * 365 * 24 * 3600;

match::StringSpec String(match::StringKind kind, const std::string& text) {
  return {kind, text, false};
}

}  // namespace

absl::StatusOr<Milliseconds> ToMilliseconds(const google::protobuf::Duration& duration,
                                            const FieldPath& at) {
  if (duration.seconds() < 0 || duration.nanos() < 0 || duration.seconds() > kMaxSeconds ||
      duration.nanos() > 999999999) {
    return at.Error("invalid duration: must be from 0 s to 10 years, for example \"2.5s\"");
  }
  return Milliseconds(duration.seconds() * 1000 + (duration.nanos() + 999999) / 1000000);
}

absl::StatusOr<SocketAddress> ToAddress(const core::SocketAddress& address, const FieldPath& at) {
  if (address.protocol() != core::SocketAddress::TCP) {
    return (at / "protocol").Error("only TCP is implemented");
  }
  if (address.port_specifier_case() != core::SocketAddress::kPortValue ||
      address.port_value() > 65535) {
    return (at / "port_value").Error("must be a number from 0 to 65535");
  }
  const auto parsed =
      SocketAddress::Parse(address.address(), static_cast<uint16_t>(address.port_value()));
  if (!parsed) {
    return (at / "address")
        .Error(absl::StrCat("'", address.address(),
                            "' is not an IP address: host names are not "
                            "resolved here"));
  }
  return *parsed;
}

absl::StatusOr<SocketAddress> ToAddress(const core::Address& address, const FieldPath& at) {
  if (!address.has_socket_address()) return at.Error("socket_address is required");
  return ToAddress(address.socket_address(), at / "socket_address");
}

absl::StatusOr<policy::Cidr> ToCidr(const core::CidrRange& range, const FieldPath& at) {
  const auto address = SocketAddress::Parse(range.address_prefix(), 0);
  if (!address) {
    return (at / "address_prefix")
        .Error(absl::StrCat("'", range.address_prefix(), "' is not an IP address"));
  }
  const uint32_t bits = range.prefix_len().value();
  if (bits > (address->is_v6() ? 128u : 32u)) {
    return (at / "prefix_len").Error(absl::StrCat(bits, " bits exceed the length of the address"));
  }
  return policy::Cidr{*address, static_cast<uint8_t>(bits)};
}

absl::StatusOr<std::string> ReadSource(const core::DataSource& source, const FileReader& files,
                                       const FieldPath& at) {
  switch (source.specifier_case()) {
    case core::DataSource::kInlineString:
      return source.inline_string();
    case core::DataSource::kInlineBytes:
      return source.inline_bytes();
    case core::DataSource::kFilename: {
      auto content = files(source.filename());
      if (!content.ok()) return (at / "filename").Error(content.status());
      return content;
    }
    default:
      return at.Error("needs one of filename, inline_string, inline_bytes");
  }
}

absl::StatusOr<match::StringSpec> ToString(const StringMatcher& matcher, const FieldPath& at) {
  match::StringSpec spec;
  spec.ignore_case = matcher.ignore_case();
  switch (matcher.match_pattern_case()) {
    case StringMatcher::kExact:
      spec = {match::StringKind::kExact, matcher.exact(), matcher.ignore_case()};
      break;
    case StringMatcher::kPrefix:
      spec = {match::StringKind::kPrefix, matcher.prefix(), matcher.ignore_case()};
      break;
    case StringMatcher::kSuffix:
      spec = {match::StringKind::kSuffix, matcher.suffix(), matcher.ignore_case()};
      break;
    case StringMatcher::kContains:
      spec = {match::StringKind::kContains, matcher.contains(), matcher.ignore_case()};
      break;
    case StringMatcher::kSafeRegex:
      spec = {match::StringKind::kRegex, matcher.safe_regex().regex(), matcher.ignore_case()};
      break;
    default:
      return at.Error("needs one of exact, prefix, suffix, contains, safe_regex");
  }
  const auto compiled = match::StringMatch::Compile(spec);
  if (!compiled.ok()) return at.Error(compiled.status());
  return spec;
}

absl::StatusOr<match::HeaderSpec> ToHeader(const HeaderMatcher& matcher, const FieldPath& at) {
  match::HeaderSpec spec;
  spec.name = matcher.name();
  spec.invert = matcher.invert_match();
  spec.missing_is_empty = matcher.treat_missing_header_as_empty();
  switch (matcher.header_match_specifier_case()) {
    case HeaderMatcher::kExactMatch:
      spec.value = String(match::StringKind::kExact, matcher.exact_match());
      break;
    case HeaderMatcher::kPrefixMatch:
      spec.value = String(match::StringKind::kPrefix, matcher.prefix_match());
      break;
    case HeaderMatcher::kSuffixMatch:
      spec.value = String(match::StringKind::kSuffix, matcher.suffix_match());
      break;
    case HeaderMatcher::kContainsMatch:
      spec.value = String(match::StringKind::kContains, matcher.contains_match());
      break;
    case HeaderMatcher::kSafeRegexMatch:
      spec.value = String(match::StringKind::kRegex, matcher.safe_regex_match().regex());
      break;
    case HeaderMatcher::kRangeMatch:
      spec.value = match::IntegerRange{matcher.range_match().start(), matcher.range_match().end()};
      break;
    case HeaderMatcher::kStringMatch: {
      auto string = ToString(matcher.string_match(), at / "string_match");
      if (!string.ok()) return string.status();
      spec.value = *std::move(string);
      break;
    }
    case HeaderMatcher::kPresentMatch:
      spec.value = match::Presence{matcher.present_match()};
      break;
    default:
      spec.value = match::Presence{true};
  }
  const auto compiled = match::HeaderMatch::Compile(spec);
  if (!compiled.ok()) return at.Error(compiled.status());
  return spec;
}

uint64_t HashOf(std::string_view bytes, uint64_t seed) {
  uint64_t hash = seed;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

std::map<std::string, std::string> ToOwners(const core::Metadata& metadata) {
  std::map<std::string, std::string> owners;
  const auto own = metadata.filter_metadata().find("tulle");
  if (own == metadata.filter_metadata().end()) return owners;
  const auto said = own->second.fields().find("owners");
  if (said == own->second.fields().end()) return owners;
  for (const auto& [cause, owner] : said->second.struct_value().fields())
    owners.emplace(cause, owner.string_value());
  return owners;
}

std::string DeterministicBytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

}  // namespace tulle::config
