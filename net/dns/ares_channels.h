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
  ~AresChannels();  // questions under way end with ARES_EDESTRUCTION
  AresChannels(const AresChannels&) = delete;
  AresChannels& operator=(const AresChannels&) = delete;

  ares_channel by_hosts_file() const { return channels_[0]; }  // then by servers
  ares_channel by_servers() const { return channels_[1]; }
  const std::array<ares_channel, 2>& all() const { return channels_; }

  int under_way = 0;  // questions, counted by who asks

 private:
  AresChannels() = default;
  std::array<ares_channel, 2> channels_{};
};

// Follows resolv.conf, which c-ares reads only where a channel is opened: a network that comes up
// late, DHCP and VPNs write it anew. Questions under way stay with the servers they were put to.
// Owner: AresResolver. Thread: its own, after Start.
class FollowedChannels {
 public:
  explicit FollowedChannels(AresOptions options) : options_(std::move(options)) {}

  absl::Status Start() { return Open(); }
  // For a new question, by the servers of now. Not within a callback of c-ares.
  AresChannels& Newest();
  // The former ones too, as long as one of them has a question under way.
  std::vector<ares_channel> All() const;
  void Clear() { opened_.clear(); }

 private:
  absl::Status Open();

  const AresOptions options_;
  struct stat seen_ {};                                // resolv.conf; all zero: it was not there
  std::vector<std::unique_ptr<AresChannels>> opened_;  // the newest is the last
};

}  // namespace tulle::dns
