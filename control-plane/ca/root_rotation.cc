#include "control-plane/ca/root_rotation.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace tulle::ca {

const char* NameOf(RotationPhase phase) {
  switch (phase) {
    case RotationPhase::kSteady:
      return "steady";
    case RotationPhase::kAnnouncing:
      return "announcing";
    case RotationPhase::kRenewing:
      break;
  }
  return "renewing";
}

void RootRotation::Resume(RotationPhase phase, int64_t since) { Enter(phase, since); }

void RootRotation::OnIssued(int64_t not_after, bool in_file) {
  outstanding_.any = std::max(outstanding_.any, not_after);
  if (in_file) outstanding_.in_files = std::max(outstanding_.in_files, not_after);
}

void RootRotation::OnIssued(const std::string& sha256,
                            UnseenCertificates::Certificate certificate) {
  WaitUntil(unseen_.Add(sha256, std::move(certificate)));
}

void RootRotation::WaitUntil(int64_t end) {
  outstanding_.unknown = std::max(outstanding_.unknown, end);
  before_phase_.unknown = std::max(before_phase_.unknown, end);
}

void RootRotation::Enter(RotationPhase phase, int64_t now) {
  phase_ = phase;
  since_ = now;
  before_phase_ = outstanding_;
  is_forced_ = false;
  is_settled_ = !must_settle_;
  others_wait_ = false;
  others_reason_.clear();
  unseen_.BeginPhase();
}

void RootRotation::Begin(int64_t now) {
  assert(phase_ == RotationPhase::kSteady);
  for (auto& [name, node] : nodes_) node.has_acknowledged = node.has_renewed = false;
  Enter(RotationPhase::kAnnouncing, now);
}

// The latest end of what it has shown counts: what it had before it may have again after a restart.
void RootRotation::OnConnected(const std::string& node, const Svid& svid) {
  auto found = nodes_.find(node);
  if (found == nodes_.end()) {
    MakeRoom(svid.identity);
    found = nodes_.emplace(node, Node()).first;
  }
  Node& known = found->second;
  known.is_connected = true;
  known.has_ended = false;
  unseen_.OnShown(svid.sha256);
  if (svid.not_after <= known.holder.until) return;
  SetHolder(&known, {svid.identity, svid.not_after});
  changed_nodes_.insert(node);
}

// Drops the disconnected node whose certificate expires first; the rotation still waits for that
// expiry, but no longer knows the node's name.
void RootRotation::MakeRoom(const std::string& identity) {
  const auto count = count_of_.find(identity);
  if (count == count_of_.end() || count->second < kMostNodesOfOneIdentity) return;
  auto first = nodes_.end();
  for (auto entry = nodes_.begin(); entry != nodes_.end(); ++entry) {
    const Node& node = entry->second;
    if (node.holder.identity != identity || node.is_connected) continue;
    if (first == nodes_.end() || EndOf(node) < EndOf(first->second)) first = entry;
  }
  if (first == nodes_.end()) return;
  if (!IsReady(first->second)) WaitUntil(EndOf(first->second));
  Erase(first);
}

void RootRotation::SetHolder(Node* node, const Holder& holder) {
  const auto count = count_of_.find(node->holder.identity);
  if (count != count_of_.end() && --count->second == 0) count_of_.erase(count);
  if (!holder.identity.empty()) ++count_of_[holder.identity];
  node->holder = holder;
}

std::map<std::string, RootRotation::Node>::iterator RootRotation::Erase(
    std::map<std::string, Node>::iterator node) {
  SetHolder(&node->second, Holder());
  changed_nodes_.insert(node->first);
  return nodes_.erase(node);
}

void RootRotation::Forget(const std::string& identity) {
  unseen_.Forget(identity);
  for (auto node = nodes_.begin(); node != nodes_.end();) {
    node = node->second.holder.identity == identity ? Erase(node) : std::next(node);
  }
}

void RootRotation::Restore(const std::string& node, const Holder& holder) {
  Node& known = nodes_[node];
  known.is_connected = false;
  SetHolder(&known, holder);
}

std::optional<RootRotation::Holder> RootRotation::HolderOf(const std::string& node) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return std::nullopt;
  return found->second.holder;
}

RootRotation::Changed RootRotation::TakeChanged() {
  return {std::exchange(changed_nodes_, {}), unseen_.TakeChanged()};
}

void RootRotation::MarkChanged(const Changed& again) {
  changed_nodes_.insert(again.nodes.begin(), again.nodes.end());
  unseen_.MarkChanged(again.certificates);
}

int64_t RootRotation::EndOf(const Node& node) const {
  return node.holder.until != 0 ? node.holder.until : node.gone_since + svid_lifetime_;
}

void RootRotation::OnDisconnected(const std::string& node, int64_t now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return;
  found->second.is_connected = false;
  found->second.gone_since = now;
}

void RootRotation::OnEnded(const std::string& node) {
  const auto found = nodes_.find(node);
  if (found != nodes_.end()) found->second.has_ended = true;
}

void RootRotation::OnAcknowledged(const std::string& node) {
  if (is_settled_) nodes_[node].has_acknowledged = true;
}

void RootRotation::OnRenewed(const std::string& node) {
  OnAcknowledged(node);
  if (is_settled_) nodes_[node].has_renewed = true;
}

void RootRotation::OnReadyElsewhere(const std::string& node) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return;
  found->second.has_acknowledged = true;
  if (phase_ == RotationPhase::kRenewing) found->second.has_renewed = true;
}

std::set<std::string> RootRotation::ready() const {
  std::set<std::string> names;
  for (const auto& [name, node] : nodes_) {
    if (node.is_connected && IsReady(node)) names.insert(name);
  }
  return names;
}

bool RootRotation::IsAlive(const std::string& node, int64_t now) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return false;
  return found->second.is_connected || found->second.holder.until > now;
}

bool RootRotation::IsReady(const Node& node) const {
  if (phase_ == RotationPhase::kSteady) return false;  // for the next rotation
  if (node.has_ended && !node.is_connected) return true;
  return phase_ == RotationPhase::kAnnouncing ? node.has_acknowledged : node.has_renewed;
}

std::vector<std::string> RootRotation::waiting() const {
  std::vector<std::string> names;
  if (phase_ == RotationPhase::kSteady) return names;
  for (const auto& [name, node] : nodes_) {
    if (!IsReady(node)) names.push_back(name);
  }
  return names;
}

int64_t RootRotation::waits_until(int64_t now) const {
  if (phase_ == RotationPhase::kSteady) return 0;
  const int64_t end =
      std::max({before_phase_.in_files, before_phase_.unknown, unseen_.former_end()});
  return end > now ? end : 0;
}

void RootRotation::ForgetExpired(int64_t now) {
  unseen_.Advance(now);
  for (auto entry = nodes_.begin(); entry != nodes_.end();) {
    const bool is_gone = !entry->second.is_connected && now >= EndOf(entry->second);
    entry = is_gone ? Erase(entry) : std::next(entry);
  }
}

RotationPhase RootRotation::DuePhase(int64_t now) {
  ForgetExpired(now);
  if (phase_ == RotationPhase::kSteady) return phase_;
  const bool all_ready = std::all_of(nodes_.begin(), nodes_.end(),
                                     [&](const auto& entry) { return IsReady(entry.second); });
  const bool may_step = is_settled_ && !others_wait_;
  const bool is_due = is_forced_ || (may_step && all_ready && waits_until(now) == 0);
  if (!is_due) return phase_;
  return phase_ == RotationPhase::kAnnouncing ? RotationPhase::kRenewing : RotationPhase::kSteady;
}

RotationPhase RootRotation::Advance(int64_t now) {
  const RotationPhase due = DuePhase(now);
  if (due != phase_) Enter(due, now);
  return phase_;
}

}  // namespace tulle::ca
