// Compiles and evaluates header matchers, including repeated headers.
#include "sidecar/match/header_match.h"

#include <charconv>
#include <cstring>

#include "sidecar/match/authority.h"

namespace tulle::match {
namespace {

std::string_view PseudoValue(const http::Head& head, std::string_view name) {
  if (name == ":method") return head.method;
  if (name == ":path") return head.path;
  if (name == ":authority") return head.authority;
  return head.scheme;
}

bool InRange(const IntegerRange& range, std::string_view value) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  return error == std::errc() && end == value.data() + value.size() && number >= range.start &&
         number < range.end;
}

}  // namespace

absl::StatusOr<HeaderMatch> HeaderMatch::Compile(HeaderSpec spec) {
  if (spec.name.empty()) return absl::InvalidArgumentError("a header match requires a name");
  for (char& c : spec.name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  HeaderMatch compiled(std::move(spec));
  const std::string& name = compiled.spec_.name;
  if (name == ":method") {
    compiled.part_ = Part::kMethod;
  } else if (name == ":path") {
    compiled.part_ = Part::kPath;
  } else if (name == ":authority" || name == "host") {
    compiled.part_ = Part::kAuthority;
    compiled.spec_.name = ":authority";
  } else if (name == ":scheme") {
    compiled.part_ = Part::kScheme;
  } else if (name[0] == ':') {
    return absl::InvalidArgumentError("'" + name +
                                      "' is not a pseudo header of a request: use :method, :path, "
                                      ":authority or :scheme");
  }
  compiled.id_ = http::IdOf(compiled.spec_.name);
  if (const auto* string = std::get_if<StringSpec>(&compiled.spec_.value)) {
    auto match = StringMatch::Compile(*string);
    if (!match.ok()) return match.status();
    compiled.string_ = *std::move(match);
  }
  return compiled;
}

bool HeaderMatch::Is(const http::Header& header) const {
  if (id_ != http::HeaderId::kOther) return header.id == id_;
  return header.id == http::HeaderId::kOther && EqualsIgnoreCase(header.name, spec_.name);
}

bool HeaderMatch::ValueMatches(std::string_view value) const {
  return string_ ? string_->Matches(value) : InRange(std::get<IntegerRange>(spec_.value), value);
}

bool HeaderMatch::AuthorityMatches(const http::Head& head) const {
  const std::string_view given = head.authority;
  if (ValueMatches(given)) return true;
  const std::string_view port = OwnPort(head);
  if (const std::string_view host = WithoutPort(given, port); !host.empty())
    return ValueMatches(host);
  if (HasPort(given)) return false;
  return ValueMatches(head.headers.arena().Concat(given, port));
}

bool HeaderMatch::Has(const http::Head& head) const {
  if (part_ != Part::kHeader) return !PseudoValue(head, spec_.name).empty();
  return id_ != http::HeaderId::kOther ? head.headers.Has(id_)
                                       : head.headers.Find(spec_.name) != nullptr;
}

bool HeaderMatch::RepeatedMatches(const http::Head& head, Reading reading) const {
  size_t bytes = 0;
  bool any = false;
  bool every = true;
  for (const http::Header& header : head.headers.all()) {
    if (!Is(header)) continue;
    bytes += header.value.size() + 1;
    const bool holds = ValueMatches(header.value) != spec_.invert;
    any |= holds;
    every &= holds;
  }
  if (reading == Reading::kEveryValue) return every;
  if (reading == Reading::kAnyValue && any) return true;
  char* const joined = static_cast<char*>(head.headers.arena().Allocate(bytes, 1));
  char* at = joined;
  for (const http::Header& header : head.headers.all()) {
    if (!Is(header)) continue;
    if (at != joined) *at++ = ',';
    std::memcpy(at, header.value.data(), header.value.size());
    at += header.value.size();
  }
  return ValueMatches({joined, static_cast<size_t>(at - joined)}) != spec_.invert;
}

bool HeaderMatch::Matches(const http::Head& head, Reading reading) const {
  if (const auto* presence = std::get_if<Presence>(&spec_.value)) {
    return ((Has(head) || spec_.missing_is_empty) == presence->present) != spec_.invert;
  }
  if (!Has(head)) return spec_.missing_is_empty && ValueMatches("") != spec_.invert;
  if (part_ == Part::kAuthority) return AuthorityMatches(head) != spec_.invert;
  if (part_ != Part::kHeader) return ValueMatches(PseudoValue(head, spec_.name)) != spec_.invert;
  const http::Header* only = nullptr;
  for (const http::Header& header : head.headers.all()) {
    if (!Is(header)) continue;
    if (only != nullptr) return RepeatedMatches(head, reading);
    only = &header;
  }
  return ValueMatches(only->value) != spec_.invert;
}

}  // namespace tulle::match
