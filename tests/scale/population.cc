#include "tests/scale/population.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::scale {
namespace {

constexpr int kCrewSize = 500;
// Sidecars that join at the same time.
constexpr size_t kJoining = 200;
constexpr std::chrono::milliseconds kLookEvery{5};
// For one more sidecar to make progress.
constexpr std::chrono::seconds kPatience{120};

// Waits while `count` grows; false: it stood still too long.
template <typename Count>
bool Await(size_t wanted, Count count) {
  size_t former = 0;
  auto since = Clock::now();
  for (size_t now = count(); now < wanted; now = count()) {
    if (now > former) since = Clock::now();
    former = std::max(former, now);
    if (Clock::now() - since > kPatience) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
  return true;
}

}  // namespace

std::string ServiceName(int index) { return absl::StrCat("svc-", index); }

std::string HostOfService(int index) { return HostOf(ServiceName(index)); }

std::string ClusterOfService(int index) {
  return absl::StrCat("outbound|80||", HostOfService(index));
}

std::string RoutesOfService(int index) { return absl::StrCat(HostOfService(index), ":80"); }

Population::Population(const PopulationOptions& options, std::string directory, Witness& witness)
    : options_(options), directory_(std::move(directory)), witness_(witness) {
  for (int begun = 0; begun < options_.proxies; begun += kCrewSize) {
    crews_.push_back(std::make_unique<Crew>(witness_));
  }
}

std::string Population::token_file(int service) const {
  return absl::StrCat(directory_, "/", ServiceName(service), ".token");
}

absl::Status Population::MakeTokens(MeshApi& api) {
  for (int service = 0; service < options_.services; ++service) {
    const auto token = api.CreateToken(ServiceName(service));
    if (!token.ok()) return token.status();
    std::ofstream(token_file(service)) << *token << "\n";
  }
  return absl::OkStatus();
}

SidecarPlan Population::PlanOf(int proxy, uint16_t grpc_port) const {
  SidecarPlan plan;
  plan.number = proxy;
  plan.service = ServiceName(proxy % options_.services);
  plan.address = absl::StrCat("10.", 1 + proxy / 65536, ".", proxy / 256 % 256, ".", proxy % 256);
  // A connection's ports are those of one pair of addresses.
  plan.control = *SocketAddress::Parse(absl::StrCat("127.0.", proxy / kCrewSize, ".1"), grpc_port);
  plan.token_file = token_file(proxy % options_.services);
  plan.state_directory = absl::StrCat(directory_, "/state-", proxy);
  plan.all_clusters = options_.all_clusters;
  plan.requests_per_second = options_.requests;
  for (const int service : ServicesOf(proxy)) plan.peers.push_back(ServiceName(service));
  return plan;
}

absl::Status Population::Join(uint16_t grpc_port) {
  for (int proxy = 0; proxy < options_.proxies; ++proxy) {
    const size_t begun = static_cast<size_t>(proxy);
    if (!Await(begun < kJoining ? 0 : begun - kJoining, [this] { return witness_.ready(); })) break;
    const SidecarPlan plan = PlanOf(proxy, grpc_port);
    mkdir(plan.state_directory.c_str(), 0700);
    crews_[begun / kCrewSize]->Add(plan);
  }
  if (Await(size(), [this] { return witness_.ready(); })) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(witness_.ready(), " of ", size(), " sidecars have joined"));
}

// The popular service, if it is one of those who call it, and others in a pattern that spreads the
// load evenly.
std::set<int> Population::ServicesOf(int proxy) const {
  const int others = options_.services - 1;
  std::set<int> services;
  if (proxy % 100 < options_.popular_percent || others == 0) services.insert(0);
  const auto wanted = static_cast<size_t>(std::min(options_.uses, others));
  for (int i = 0; services.size() < wanted; ++i) services.insert(1 + (proxy * 7 + i) % others);
  return services;
}

absl::Status Population::Use(MeshApi& api) {
  const auto hosts = api.Hosts();
  if (!hosts.ok()) return hosts.status();
  for (int proxy = 0; proxy < options_.proxies; ++proxy) {
    std::set<std::string> listeners;
    for (const int service : ServicesOf(proxy)) {
      const auto address = hosts->find(HostOfService(service));
      if (address == hosts->end())
        return absl::NotFoundError(HostOfService(service) + " has no virtual address");
      listeners.insert(address->second + "_80");
    }
    crews_[static_cast<size_t>(proxy / kCrewSize)]->Use(static_cast<size_t>(proxy % kCrewSize),
                                                        std::move(listeners));
  }
  if (Await(size(), [this] { return witness_.served(); })) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(witness_.served(), " of ", size(), " sidecars have received what they use"));
}

size_t Population::popular_callers() const {
  size_t count = 0;
  for (int proxy = 0; proxy < options_.proxies; ++proxy) count += ServicesOf(proxy).count(0);
  return count;
}

}  // namespace tulle::scale
