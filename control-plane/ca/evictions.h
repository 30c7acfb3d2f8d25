// The evictions that all replicas share: whose certificates are revoked, and since when. A replica
// knows the serial numbers of the certificates that it has issued or seen; each of them adds its
// own. What was issued before an eviction is refused by the control plane even if no replica knows
// its number.
//
// Pure. Owner and thread: MeshAuthority's. Times in seconds since the epoch, passed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tulle::ca {

class Evictions {
 public:
  // Of all identities together: the record must fit into a Secret (1 MiB) with the roots.
  static constexpr size_t kMostCertificates = 10'000;
  static constexpr size_t kMostIdentities = 1'000;

  struct Eviction {
    int64_t at = 0;                               // what was issued before is revoked
    int64_t until = 0;                            // none of that is valid any more
    std::map<std::string, int64_t> certificates;  // end of each, by serial number

    bool operator==(const Eviction&) const = default;
  };

  // As ToJson() wrote it; empty: none. kDataLoss: it cannot be read.
  static absl::StatusOr<Evictions> Parse(std::string_view json);
  std::string ToJson() const;

  bool HasRoomFor(std::string_view identity) const {
    return Has(identity) || all_.size() < kMostIdentities;
  }
  // True: it is later than those that are known.
  bool Evict(const std::string& identity, int64_t at, int64_t until);
  // False: there is no room, or the identity is not evicted.
  bool AddCertificate(const std::string& identity, const std::string& serial, int64_t not_after);
  // Forgets evictions that no valid certificate can be of.
  void Advance(int64_t now);

  bool Covers(std::string_view identity, int64_t issued_at) const;
  bool Has(std::string_view identity) const { return all_.contains(identity); }
  // Whether `other` says all that this says.
  bool IsWithin(const Evictions& other) const;
  size_t certificates() const { return certificates_; }
  bool empty() const { return all_.empty(); }
  const std::map<std::string, Eviction, std::less<>>& all() const { return all_; }

  bool operator==(const Evictions& other) const { return all_ == other.all_; }

 private:
  std::map<std::string, Eviction, std::less<>> all_;  // by identity
  size_t certificates_ = 0;
};

}  // namespace tulle::ca
