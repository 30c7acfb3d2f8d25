// The virtual addresses of services, kept in the store: a host has one address from 240.240.0.0/16
// for as long as it exists, over restarts and registrations anew; no two hosts ever have the same.
// An address whose host is gone stays reserved for it, and goes to another only when no fresh one
// is left and a day has passed: clients keep addresses they once resolved.
// Owner and thread: the store's. Errors: absl::Status of the store; what could not be written has
// no address.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/store/store.h"

namespace tulle::discovery {

class VipBook {
 public:
  // Two hosts that a damaged store gives one address: the first in order of names holds it, the
  // other is named in damaged() and gets a fresh one.
  static absl::StatusOr<std::unique_ptr<VipBook>> Open(store::Store* store);

  // These hosts exist now. Hosts without an address get one, which is on disk when this returns. If
  // the store fails, nothing changes. `now` in seconds since the epoch.
  absl::Status Assign(const std::set<std::string>& hosts, int64_t now);

  // Of the hosts that exist, as last assigned.
  const std::map<std::string, std::string>& addresses() const { return addresses_; }
  const std::vector<std::string>& damaged() const { return damaged_; }

 private:
  struct Entry {
    uint32_t number = 0;     // the address is 240.240.0.0 + number
    int64_t removed_at = 0;  // 0: the host exists
  };
  using Entries = std::map<std::string, Entry>;  // by host

  using Numbers = std::set<uint32_t>;
  struct Draft {
    Entries entries;
    Numbers taken;
    std::set<std::string> changed;  // hosts; those without an entry are to be deleted
  };

  explicit VipBook(store::Store* store) : store_(store) {}
  absl::Status Load();
  absl::Status Write(const Draft& draft, int64_t now);
  // False: there is no address left.
  bool Give(const std::string& host, int64_t now, Draft* draft);
  uint32_t FreshNumber(const Numbers& taken);  // 0: none is left
  static std::optional<std::string> LongestGone(const Entries& entries, int64_t now);

  store::Store* store_;
  Entries entries_;
  std::map<std::string, std::string> addresses_;
  std::vector<std::string> damaged_;
  uint32_t last_given_ = 0;
};

}  // namespace tulle::discovery
