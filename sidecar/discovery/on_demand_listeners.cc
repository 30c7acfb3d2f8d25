#include "sidecar/discovery/on_demand_listeners.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::sidecar {
namespace {

constexpr size_t kMostNames = 1000;
constexpr int kMostAsksASecond = 100;
constexpr loop::Duration kRound = std::chrono::minutes(5);
constexpr int kUnusedRounds = 2;

std::string NameOf(const SocketAddress& address) {
  return absl::StrCat(address.host(), "_", address.port());
}

}  // namespace

OnDemandListeners::OnDemandListeners(loop::Loop& loop, Sidecar& sidecar, Discovery& discovery)
    : loop_(loop), sidecar_(sidecar), discovery_(discovery) {
  round_ = loop_.NewTimer([this] {
    sidecar_.TakeUsedListeners([this](const std::set<std::string>& used) { GiveUpUnused(used); });
    round_->Start(kRound);
  });
}

void OnDemandListeners::Start(std::vector<policy::Cidr> mesh_ranges) {
  for (const auto& listener : sidecar_.loader().listeners()) {
    if (!listener->bind && listener->name == NameOf(listener->address))
      wanted_[listener->name] = {listener->address};
  }
  discovery_.on_missing_listener = [this](const std::string& name) { OnMissing(name); };
  Subscribe();
  sidecar_.ServeOnDemand(std::move(mesh_ranges),
                         [this](const SocketAddress& destination) { Ask(destination); });
  round_->Start(kRound);
}

void OnDemandListeners::Ask(const SocketAddress& destination) {
  const std::string name = NameOf(destination);
  if (wanted_.contains(name)) return;  // on its way
  if (!discovery_.connected() || !MayAskAnother())
    return sidecar_.AnswerDestination(destination, proxy::DestinationAnswer::kUnreachable);
  wanted_[name] = {destination};
  Subscribe();
}

bool OnDemandListeners::MayAskAnother() {
  if (wanted_.size() >= kMostNames) return false;
  if (loop_.Now() - second_began_ >= std::chrono::seconds(1)) {
    second_began_ = loop_.Now();
    asked_this_second_ = 0;
  }
  return ++asked_this_second_ <= kMostAsksASecond;
}

void OnDemandListeners::OnMissing(const std::string& name) {
  const auto wanted = wanted_.find(name);
  if (wanted == wanted_.end()) return;
  const SocketAddress address = wanted->second.address;
  wanted_.erase(wanted);
  Subscribe();
  sidecar_.AnswerDestination(address, proxy::DestinationAnswer::kNone);
}

void OnDemandListeners::GiveUpUnused(const std::set<std::string>& used) {
  const size_t before = wanted_.size();
  for (auto one = wanted_.begin(); one != wanted_.end();) {
    one->second.unused_rounds = used.contains(one->first) ? 0 : one->second.unused_rounds + 1;
    if (one->second.unused_rounds < kUnusedRounds) {
      ++one;
      continue;
    }
    sidecar_.loader().Remove(config::ResourceKind::kListener, one->first);
    one = wanted_.erase(one);
  }
  if (wanted_.size() == before) return;
  sidecar_.loader().DropUnreferenced();
  Subscribe();
  sidecar_.Publish();
}

void OnDemandListeners::Subscribe() {
  std::set<std::string> names;
  for (const auto& [name, wanted] : wanted_) names.insert(name);
  discovery_.SubscribeToListeners(names);
}

}  // namespace tulle::sidecar
