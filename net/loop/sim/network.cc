// Hosts, listeners and links of the simulation, and routing of connects.
#include "net/loop/sim/network.h"

#include <errno.h>

#include <algorithm>

namespace tulle::sim {
namespace {

bool IsWildcard(const SocketAddress& address) {
  const std::string_view ip = address.ip_bytes();
  return std::all_of(ip.begin(), ip.end(), [](char byte) { return byte == 0; });
}

SocketAddress WildcardLike(const SocketAddress& address) {
  return *SocketAddress::Parse(address.is_v6() ? "::" : "0.0.0.0", address.port());
}

}  // namespace

Network::Network(uint64_t seed, const FaultPlan& plan, EventQueue& events, Trace& trace)
    : plan_(plan), events_(events), trace_(trace), seed_(seed), random_(seed ^ 0x6e6574776f726b) {}

int Network::AddHost(std::vector<SocketAddress> addresses) {
  hosts_.push_back({std::move(addresses), 32768, {}, {}});
  return static_cast<int>(hosts_.size()) - 1;
}

void Network::AddName(std::string name, std::vector<SocketAddress> addresses) {
  names_[std::move(name)] = std::move(addresses);
}

const std::vector<SocketAddress>* Network::Find(std::string_view name) const {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &found->second;
}

void Network::Cut(int host, int other, loop::Duration length) {
  LinkBetween(host, other).Cut(now(), length);
}

void Network::Redirect(int host, const SocketAddress& from, const SocketAddress& to) {
  hosts_[host].redirections[from] = to;
}

bool Network::IsOwn(int host, const SocketAddress& address) const {
  if (address.is_loopback()) return true;
  return std::any_of(
      hosts_[host].addresses.begin(), hosts_[host].addresses.end(),
      [&](const SocketAddress& own) { return own.ip_bytes() == address.ip_bytes(); });
}

int Network::HostOf(int from, const SocketAddress& address) const {
  if (IsOwn(from, address)) return from;
  for (int host = 0; host < static_cast<int>(hosts_.size()); ++host) {
    if (IsOwn(host, address)) return host;
  }
  return -1;
}

SocketAddress Network::DefaultSource(int host, const SocketAddress& to) const {
  if (to.is_loopback()) return to;
  for (const SocketAddress& own : hosts_[host].addresses) {
    if (own.is_v6() == to.is_v6()) return own;
  }
  return {};
}

uint16_t Network::TakePort(int host) {
  uint16_t& next = hosts_[host].next_port;
  const uint16_t port = next;
  next = next == 65535 ? 32768 : next + 1;
  return port;
}

Link& Network::LinkBetween(int host, int other) {
  const auto key = std::minmax(host, other);
  std::unique_ptr<Link>& link = links_[key];
  if (link == nullptr) {
    const auto pair = static_cast<uint64_t>(key.first) << 32 | static_cast<uint32_t>(key.second);
    loop::Random seeds(seed_ ^ (pair * 0x9e3779b97f4a7c15));
    link = std::make_unique<Link>(plan_, host == other, seeds.Next());
  }
  return *link;
}

std::shared_ptr<Connection> Network::Connect(int host, const SocketAddress& wanted,
                                             const SocketAddress& source, int* error) {
  const auto redirection = hosts_[host].redirections.find(wanted);
  const bool redirected = redirection != hosts_[host].redirections.end() && !source.is_set();
  const SocketAddress& to = redirected ? redirection->second : wanted;
  SocketAddress from = source.is_set() ? source : DefaultSource(host, to);
  if (!from.is_set() || !IsOwn(host, from) || from.is_v6() != to.is_v6()) {
    *error = -EADDRNOTAVAIL;
    return nullptr;
  }
  if (!source.is_set() || from.port() == 0) from = from.WithPort(TakePort(host));
  const int target = HostOf(host, to);
  Link& link = LinkBetween(host, target);
  auto connection = std::make_shared<Connection>(*this, link, Connection::Address{host, from},
                                                 Connection::Address{target, to});
  if (redirected) connection->SetWanted(wanted);
  Remember(connection);
  if (target >= 0) {
    connection->Start();
  } else {
    connection->StartUnanswered();
  }
  return connection;
}

void Network::Remember(const std::shared_ptr<Connection>& connection) {
  if (connections_.size() >= sweep_at_) {
    std::erase_if(connections_, [](const auto& known) { return known.expired(); });
    sweep_at_ = 2 * connections_.size() + 64;
  }
  connections_.push_back(connection);
}

int Network::Reset(int host, int other) {
  int count = 0;
  for (const std::weak_ptr<Connection>& known : connections_) {
    const std::shared_ptr<Connection> connection = known.lock();
    if (connection == nullptr || !connection->IsEstablished()) continue;
    if (!connection->IsBetween(host, other)) continue;
    connection->Abort();
    ++count;
  }
  return count;
}

int Network::Bind(int host, SocketAddress& at, bool reuse_port, AcceptQueue& queue) {
  if (!IsWildcard(at) && !IsOwn(host, at)) return -EADDRNOTAVAIL;
  if (at.port() == 0) at = at.WithPort(TakePort(host));
  auto [entry, added] = hosts_[host].bindings.try_emplace(at, Binding{reuse_port, {}});
  if (!added && !(reuse_port && entry->second.reuse_port)) return -EADDRINUSE;
  entry->second.queues.push_back(&queue);
  return 0;
}

void Network::Unbind(int host, const SocketAddress& at, AcceptQueue& queue) {
  auto& bindings = hosts_[host].bindings;
  const auto found = bindings.find(at);
  if (found == bindings.end()) return;
  std::erase(found->second.queues, &queue);
  if (found->second.queues.empty()) bindings.erase(found);
}

bool Network::OfferToListener(std::shared_ptr<Connection> connection, int host,
                              const SocketAddress& at) {
  if (Roll(random_, plan_.refuse)) return false;
  const auto& bindings = hosts_[host].bindings;
  auto found = bindings.find(at);
  if (found == bindings.end()) found = bindings.find(WildcardLike(at));
  if (found == bindings.end()) return false;
  const auto& queues = found->second.queues;
  return queues[random_.Below(queues.size())]->Offer(std::move(connection));
}

void Network::RecordDelivery(int host, std::string_view kind, std::string_view bytes) {
  trace_.Record(now(), kind, static_cast<uint64_t>(host), bytes.size());
  if (trace_contents_) trace_.RecordContents(bytes);
}

size_t Network::DrawShort(size_t count) {
  return count > 1 && Roll(random_, plan_.short_io) ? 1 + random_.Below(count - 1) : count;
}

bool Network::RollReset() { return Roll(random_, plan_.reset); }

}  // namespace tulle::sim
