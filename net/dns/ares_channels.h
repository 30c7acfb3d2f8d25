#pragma once

#include <ares.h>
#include <sys/stat.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "net/dns/ares_resolver.h"

namespace tulle::dns {

// The channels of c-ares for one list of servers.
class AresChannels {
 public:
  static absl::StatusOr<std::unique_ptr<AresChannels>> Open(const AresOptions& options);
  ~AresChannels();  // pending questions end with ARES_EDESTRUCTION
  AresChannels(const AresChannels&) = delete;
  AresChannels& operator=(const AresChannels&) = delete;

  ares_channel by_hosts_file() const { return channels_[0]; }  // then by servers
  ares_channel by_servers() const { return channels_[1]; }
  const std::array<ares_channel, 2>& all() const { return channels_; }

  int under_way = 0;  // number of pending questions, counted by the caller

 private:
  AresChannels() = default;
  std::array<ares_channel, 2> channels_{};
};

// Reloads resolv.conf, which c-ares reads only when a channel is opened: networks that come up
// late, DHCP and VPNs rewrite it. Pending questions stay with the servers they were sent to. Owner:
// AresResolver. Thread: its own, after Start.
class ReloadingChannels {
 public:
  explicit ReloadingChannels(AresOptions options) : options_(std::move(options)) {}

  absl::Status Start() { return Open(); }
  // For a new question: the current servers. Do not call within a callback of c-ares.
  AresChannels& Newest();
  // Includes previous channels while one of their questions is pending.
  std::vector<ares_channel> All() const;
  void Clear() { opened_.clear(); }

 private:
  absl::Status Open();

  const AresOptions options_;
  struct stat seen_ {};  // stat of resolv.conf; all zero: it does not exist
  std::vector<std::unique_ptr<AresChannels>> opened_;  // the newest is the last
};

}  // namespace tulle::dns
