#include "net/dns/ares_channels.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::dns {
namespace {

absl::Status ToStatus(int status) {
  if (status == ARES_SUCCESS) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("c-ares: ", ares_strerror(status)));
}

absl::Status OpenOne(const AresOptions& options, const char* lookups, ares_channel* channel) {
  ares_options set{};
  std::string order = lookups;
  std::string resolv_conf = options.resolv_conf;
  set.flags = ARES_FLAG_NOSEARCH;
  set.timeout = static_cast<int>(options.timeout.count());
  set.tries = options.tries;
  set.lookups = order.data();
  set.resolvconf_path = resolv_conf.data();
  set.udp_port = set.tcp_port = options.port;
  const int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                    ARES_OPT_RESOLVCONF | ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
  const absl::Status status = ToStatus(ares_init_options(channel, &set, given));
  if (!status.ok() || options.servers.empty()) return status;
  if (ares_set_servers_ports_csv(*channel, options.servers.c_str()) == ARES_SUCCESS)
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--dns-servers ", options.servers,
                                                 ": expected ADDRESS[:PORT], separated by commas"));
}

// All zero if the file does not exist.
struct stat Look(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 ? found : (struct stat){};
}

bool IsSame(const struct stat& a, const struct stat& b) {
  // The inode's change time, not the content's: it cannot be set back.
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AresChannels>> AresChannels::Open(const AresOptions& options) {
  std::unique_ptr<AresChannels> made(new AresChannels);
  absl::Status status = OpenOne(options, "fb", &made->channels_[0]);
  if (status.ok()) status = OpenOne(options, "b", &made->channels_[1]);
  if (!status.ok()) return status;
  return made;
}

AresChannels::~AresChannels() {
  for (ares_channel channel : channels_) {
    if (channel != nullptr) ares_destroy(channel);
  }
}

absl::Status ReloadingChannels::Open() {
  // Checked first: a write in the meantime is seen the next time.
  const struct stat found = Look(options_.resolv_conf);
  auto made = AresChannels::Open(options_);
  if (!made.ok()) return made.status();
  seen_ = found;
  opened_.push_back(*std::move(made));
  return absl::OkStatus();
}

AresChannels& ReloadingChannels::Newest() {
  // If the file cannot be read now, keep the previous servers; the next question tries again.
  const bool follows = options_.servers.empty();
  if (follows && !IsSame(seen_, Look(options_.resolv_conf))) Open().IgnoreError();
  const AresChannels* newest = opened_.back().get();
  std::erase_if(opened_,
                [newest](const auto& one) { return one.get() != newest && one->under_way == 0; });
  return *opened_.back();
}

std::vector<ares_channel> ReloadingChannels::All() const {
  std::vector<ares_channel> all;
  for (const auto& one : opened_) all.insert(all.end(), one->all().begin(), one->all().end());
  return all;
}

}  // namespace tulle::dns
