#include "sidecar/proxy/destinations.h"

#include <algorithm>
#include <iterator>

#include "sidecar/policy/rule.h"
#include "sidecar/proxy/active_listener.h"

namespace tulle::proxy {
namespace {

constexpr size_t kMostWaiting = 1024;
constexpr size_t kMostMissed = 4096;
constexpr loop::Duration kMissedFor = std::chrono::seconds(10);
constexpr loop::Duration kLongestWait = std::chrono::seconds(3);

SocketAddress AnyAddressLike(const SocketAddress& address) {
  return *SocketAddress::Parse(address.is_v6() ? "::" : "0.0.0.0", address.port());
}

}  // namespace

struct Destinations::Waiting {
  Waiting(Destinations& of, ActiveListener& listener, std::unique_ptr<loop::Socket> accepted)
      : owner(of),
        at(&listener),
        socket(std::move(accepted)),
        destination(socket->LocalAddress()),
        deadline(this, [](void* self) {
          auto& waiting = *static_cast<Waiting*>(self);
          waiting.owner.OnWaitedTooLong(waiting);
        }) {}

  Destinations& owner;
  ActiveListener* at;
  std::unique_ptr<loop::Socket> socket;
  SocketAddress destination;
  loop::Deadline deadline;
};

Destinations::Destinations(loop::Loop& loop, loop::Deadlines& deadlines)
    : loop_(loop), deadlines_(deadlines) {}

Destinations::~Destinations() = default;

void Destinations::Rebuild(const std::vector<std::unique_ptr<ActiveListener>>& listeners) {
  listeners_.clear();
  for (const auto& listener : listeners) {
    const config::ListenerSpec& spec = listener->spec();
    if (!spec.hand_off) listeners_.emplace(spec.address, listener.get());
  }
  auto known = Take([this](const Waiting& one) { return Find(one.destination) != nullptr; });
  for (const auto& waiting : known) Find(waiting->destination)->Take(std::move(waiting->socket));
}

// The listener of that address, or one for the port at all addresses. The latter must not be bound:
// the connections of a bound listener are its own.
ActiveListener* Destinations::Find(const SocketAddress& destination) const {
  auto found = listeners_.find(destination);
  if (found != listeners_.end()) return found->second;
  found = listeners_.find(AnyAddressLike(destination));
  return found == listeners_.end() || found->second->spec().bind ? nullptr : found->second;
}

void Destinations::Arrive(ActiveListener& at, std::unique_ptr<loop::Socket> socket) {
  const SocketAddress destination = socket->LocalAddress();
  if (ActiveListener* listener = Find(destination)) return listener->Take(std::move(socket));
  const bool outbound = at.spec().direction == config::Direction::kOutbound;
  if (!outbound || !on_demand_.ask) return at.Take(std::move(socket));
  if (IsMissed(destination) || waiting_.size() >= kMostWaiting)
    return PassOn(at, std::move(socket));
  Wait(at, std::move(socket));
}

void Destinations::Wait(ActiveListener& at, std::unique_ptr<loop::Socket> socket) {
  auto waiting = std::make_unique<Waiting>(*this, at, std::move(socket));
  const SocketAddress destination = waiting->destination;
  const bool asked = std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& other) {
    return other->destination == destination;
  });
  deadlines_.Set(waiting->deadline, kLongestWait);
  waiting_.push_back(std::move(waiting));
  if (!asked) on_demand_.ask(destination);
}

void Destinations::Answer(const SocketAddress& destination, DestinationAnswer answer) {
  if (answer == DestinationAnswer::kNone) {
    if (missed_.size() >= kMostMissed) {
      std::erase_if(missed_, [&](const auto& one) { return one.second <= loop_.Now(); });
    }
    if (missed_.size() < kMostMissed) missed_[destination] = loop_.Now() + kMissedFor;
  }
  auto answered = Take([&](const Waiting& one) { return one.destination == destination; });
  for (const auto& waiting : answered) PassOn(*waiting->at, std::move(waiting->socket));
}

bool Destinations::IsMissed(const SocketAddress& destination) {
  const auto missed = missed_.find(destination);
  if (missed == missed_.end()) return false;
  if (missed->second > loop_.Now()) return true;
  missed_.erase(missed);
  return false;
}

bool Destinations::InMesh(const SocketAddress& destination) const {
  return std::any_of(
      on_demand_.mesh_ranges.begin(), on_demand_.mesh_ranges.end(),
      [&](const policy::Cidr& range) { return policy::Contains(range, destination); });
}

void Destinations::PassOn(ActiveListener& at, std::unique_ptr<loop::Socket> socket) {
  if (InMesh(socket->LocalAddress()))
    return at.Refuse(std::move(socket), Refusal::kUnknownDestination);
  at.Take(std::move(socket));
}

void Destinations::OnWaitedTooLong(Waiting& waiting) {
  auto late = Take([&](const Waiting& one) { return &one == &waiting; });
  PassOn(*late.front()->at, std::move(late.front()->socket));
}

void Destinations::Forget(ActiveListener& listener) {
  std::erase_if(listeners_, [&](const auto& one) { return one.second == &listener; });
  for (const auto& waiting : Take([&](const Waiting& one) { return one.at == &listener; }))
    listener.Refuse(std::move(waiting->socket), Refusal::kUnknownDestination);
}

// Taken out of the list first, in the order of their arrival: handling them may add others.
template <typename Wanted>
std::vector<std::unique_ptr<Destinations::Waiting>> Destinations::Take(Wanted wanted) {
  const auto first = std::stable_partition(waiting_.begin(), waiting_.end(),
                                           [&](const auto& one) { return !wanted(*one); });
  std::vector<std::unique_ptr<Waiting>> taken(std::make_move_iterator(first),
                                              std::make_move_iterator(waiting_.end()));
  waiting_.erase(first, waiting_.end());
  return taken;
}

}  // namespace tulle::proxy
