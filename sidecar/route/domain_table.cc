#include "sidecar/route/domain_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "sidecar/match/authority.h"

namespace tulle::route {
namespace {

// RFC 1035: 253 for a name, plus a port and some slack.
constexpr size_t kMaxAuthority = 512;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

absl::Status Twice(std::string_view domain) {
  return absl::InvalidArgumentError(
      absl::StrCat("the domain '", std::string(domain),
                   "' occurs twice in this route configuration: keep it in one virtual host"));
}

}  // namespace

absl::Status DomainTable::Add(std::string_view domain, uint32_t virtual_host) {
  std::string name(domain);
  std::transform(name.begin(), name.end(), name.begin(), Lower);
  if (name.empty()) return absl::InvalidArgumentError("empty domain: use '*' for any");
  if (name.size() > kMaxAuthority) return absl::InvalidArgumentError("domain exceeds 512 bytes");
  if (name == "*") {
    if (any_ != kNone) return Twice(domain);
    any_ = virtual_host;
    return absl::OkStatus();
  }
  const size_t star = name.find('*');
  const bool at_edge = star == 0 || star == name.size() - 1;
  if (star != std::string::npos && (!at_edge || name.find('*', star + 1) != std::string::npos)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the domain '", name,
                     "' has '*' in the middle: it is only allowed at the beginning or end"));
  }
  Names* names = &exact_;
  if (star == 0) {
    name.erase(0, 1);
    names = &suffixes_[name.size()];
  } else if (star != std::string::npos) {
    name.pop_back();
    names = &prefixes_[name.size()];
  }
  return names->emplace(std::move(name), virtual_host).second ? absl::OkStatus() : Twice(domain);
}

uint32_t DomainTable::Find(std::string_view authority, std::string_view own_port) const {
  char buffer[kMaxAuthority];
  const bool only_any = exact_.empty() && suffixes_.empty() && prefixes_.empty();
  if (only_any || authority.size() + own_port.size() > sizeof buffer) return any_;
  std::transform(authority.begin(), authority.end(), buffer, Lower);
  const std::string_view given(buffer, authority.size());
  if (const auto found = exact_.find(given); found != exact_.end()) return found->second;
  std::string_view other = match::WithoutPort(given, own_port);
  if (other.empty() && !own_port.empty() && !match::HasPort(given)) {
    own_port.copy(buffer + given.size(), own_port.size());
    other = {buffer, given.size() + own_port.size()};
  }
  if (const auto found = exact_.find(other); found != exact_.end()) return found->second;
  for (const auto& [length, names] : suffixes_) {
    for (const std::string_view name : {given, other}) {
      if (length >= name.size()) continue;
      const auto found = names.find(name.substr(name.size() - length));
      if (found != names.end()) return found->second;
    }
  }
  for (const auto& [length, names] : prefixes_) {
    for (const std::string_view name : {given, other}) {
      if (length >= name.size()) continue;
      const auto found = names.find(name.substr(0, length));
      if (found != names.end()) return found->second;
    }
  }
  return any_;
}

}  // namespace tulle::route
