#include "control-plane/ca/evictions.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tulle::ca {
namespace {

using EvictionJson = nlohmann::json;

}  // namespace

absl::StatusOr<Evictions> Evictions::Parse(std::string_view json) {
  Evictions evictions;
  if (json.empty()) return evictions;
  try {
    const EvictionJson parsed = EvictionJson::parse(json);
    for (const auto& [identity, each] : parsed.items()) {
      evictions.Evict(identity, each.at("at").get<int64_t>(), each.at("until").get<int64_t>());
      for (const auto& [serial, end] : each.at("certificates").items())
        evictions.AddCertificate(identity, serial, end.get<int64_t>());
    }
  } catch (const EvictionJson::exception&) {
    return absl::DataLossError("invalid format of evictions");
  }
  return evictions;
}

std::string Evictions::ToJson() const {
  EvictionJson json = EvictionJson::object();
  for (const auto& [identity, each] : all_) {
    json[identity] = {{"at", each.at}, {"until", each.until}, {"certificates", each.certificates}};
    if (each.certificates.empty()) json[identity]["certificates"] = EvictionJson::object();
  }
  return json.dump();
}

bool Evictions::Evict(const std::string& identity, int64_t at, int64_t until) {
  Eviction& known = all_[identity];
  const bool is_later = at > known.at;
  known.at = std::max(known.at, at);
  known.until = std::max(known.until, until);
  return is_later;
}

bool Evictions::AddCertificate(const std::string& identity, const std::string& serial,
                               int64_t not_after) {
  const auto eviction = all_.find(identity);
  if (eviction == all_.end()) return false;
  if (eviction->second.certificates.contains(serial)) return true;
  if (certificates_ >= kMostCertificates) return false;
  eviction->second.certificates.emplace(serial, not_after);
  ++certificates_;
  return true;
}

void Evictions::Advance(int64_t now) {
  for (auto eviction = all_.begin(); eviction != all_.end();) {
    certificates_ -= std::erase_if(eviction->second.certificates,
                                   [now](const auto& each) { return each.second <= now; });
    const bool has_ended = eviction->second.until <= now && eviction->second.certificates.empty();
    eviction = has_ended ? all_.erase(eviction) : std::next(eviction);
  }
}

bool Evictions::Covers(std::string_view identity, int64_t issued_at) const {
  const auto eviction = all_.find(identity);
  return eviction != all_.end() && issued_at < eviction->second.at;
}

bool Evictions::IsWithin(const Evictions& other) const {
  return std::all_of(all_.begin(), all_.end(), [&other](const auto& entry) {
    const auto theirs = other.all_.find(entry.first);
    if (theirs == other.all_.end()) return false;
    const Eviction& own = entry.second;
    if (own.at > theirs->second.at || own.until > theirs->second.until) return false;
    return std::all_of(own.certificates.begin(), own.certificates.end(), [&](const auto& each) {
      return theirs->second.certificates.contains(each.first);
    });
  });
}

}  // namespace tulle::ca
