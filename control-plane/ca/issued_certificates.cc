#include "control-plane/ca/issued_certificates.h"

namespace tulle::ca {

void IssuedCertificates::Add(Key key, std::string_view identity, int64_t revoked_at) {
  const auto count = issued_of_.try_emplace(std::string(identity), 0).first;
  const auto [entry, is_new] = entries_.try_emplace(key, Entry{count->first, 0});
  count->second += is_new ? 1 : 0;
  changed_.insert(key);
  if (revoked_at != 0) Revoke({std::move(key)}, revoked_at);
}

size_t IssuedCertificates::CountValid(std::string_view identity) const {
  const auto issued = issued_of_.find(identity);
  if (issued == issued_of_.end()) return 0;
  const auto revoked = revoked_of_.find(identity);
  return issued->second - (revoked == revoked_of_.end() ? 0 : revoked->second);
}

std::vector<std::pair<std::string, size_t>> IssuedCertificates::WithAtLeast(size_t count) const {
  std::vector<std::pair<std::string, size_t>> found;
  for (const auto& [identity, issued] : issued_of_) {
    if (issued < count) continue;
    const size_t valid = CountValid(identity);
    if (valid >= count) found.emplace_back(identity, valid);
  }
  return found;
}

std::vector<IssuedCertificates::Key> IssuedCertificates::ValidOf(std::string_view identity) const {
  std::vector<Key> keys;
  if (!issued_of_.contains(identity)) return keys;
  for (const auto& [key, entry] : entries_) {
    if (entry.identity == identity && entry.revoked_at == 0) keys.push_back(key);
  }
  return keys;
}

void IssuedCertificates::Revoke(const std::vector<Key>& keys, int64_t now) {
  for (const Key& key : keys) {
    const auto entry = entries_.find(key);
    if (entry == entries_.end() || entry->second.revoked_at != 0) continue;
    entry->second.revoked_at = now;
    ++revoked_of_[std::string(entry->second.identity)];
    changed_.insert(key);
  }
}

bool IssuedCertificates::Advance(int64_t now) {
  bool any_revoked = false;
  while (!entries_.empty() && entries_.begin()->first.not_after <= now) {
    const auto first = entries_.begin();
    if (first->second.revoked_at != 0) {
      any_revoked = true;
      Uncount(revoked_of_, first->second.identity);
    }
    Uncount(issued_of_, first->second.identity);
    changed_.insert(first->first);
    entries_.erase(first);
  }
  return any_revoked;
}

bool IssuedCertificates::IsRevoked(std::string_view identity, const Key& key) const {
  if (!HasRevoked(identity)) return false;
  const Entry* entry = Find(key);
  return entry != nullptr && entry->revoked_at != 0;
}

std::vector<certs::RevokedSerial> IssuedCertificates::Revoked() const {
  std::vector<certs::RevokedSerial> revoked;
  if (revoked_of_.empty()) return revoked;
  for (const auto& [key, entry] : entries_) {
    if (entry.revoked_at != 0) revoked.push_back({key.serial, entry.revoked_at});
  }
  return revoked;
}

const IssuedCertificates::Entry* IssuedCertificates::Find(const Key& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

void IssuedCertificates::Uncount(Counts& counts, std::string_view identity) {
  const auto count = counts.find(identity);
  if (count != counts.end() && --count->second == 0) counts.erase(count);
}

}  // namespace tulle::ca
