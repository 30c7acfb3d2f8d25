// The certificates of workloads that have not expired, and which of them are revoked: whoever holds
// a copy of a workload's key may have had it renewed, so all certificates of its identity are
// revoked together.
//
// Pure. Owner and thread: MeshAuthority's. Times in seconds since the epoch, passed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "certs/revocation_list.h"

namespace tulle::ca {

class IssuedCertificates {
 public:
  struct Key {
    int64_t not_after = 0;
    std::string serial;  // as certs::Certificate::serial()

    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    std::string_view identity;
    int64_t revoked_at = 0;  // 0: it is valid
  };

  void Add(Key key, std::string_view identity, int64_t revoked_at = 0);
  // How many of an identity are valid: neither expired nor revoked.
  size_t CountValid(std::string_view identity) const;
  // The identities that have at least this many of them, with their number.
  std::vector<std::pair<std::string, size_t>> WithAtLeast(size_t count) const;
  // The valid ones of an identity; looks at all.
  std::vector<Key> ValidOf(std::string_view identity) const;
  void Revoke(const std::vector<Key>& keys, int64_t now);
  // Forgets those that have expired. True: one of them was revoked.
  bool Advance(int64_t now);

  bool IsRevoked(std::string_view identity, const Key& key) const;
  bool HasRevoked(std::string_view identity) const { return revoked_of_.contains(identity); }
  // By expiry.
  std::vector<certs::RevokedSerial> Revoked() const;
  // Null: unknown, or expired.
  const Entry* Find(const Key& key) const;
  size_t size() const { return entries_.size(); }

  // Those that came, went or were revoked since the last call, for whoever keeps them on disk.
  std::set<Key> TakeChanged() { return std::exchange(changed_, {}); }
  void MarkChanged(const std::set<Key>& again) { changed_.insert(again.begin(), again.end()); }

 private:
  using Counts = std::map<std::string, size_t, std::less<>>;

  static void Uncount(Counts& counts, std::string_view identity);

  std::map<Key, Entry> entries_;
  Counts issued_of_;   // by identity, which the entries refer to
  Counts revoked_of_;  // by identity
  std::set<Key> changed_;
};

}  // namespace tulle::ca
