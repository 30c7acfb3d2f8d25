#include "control-plane/ca/root_rotation.h"

#include <algorithm>
#include <cassert>

namespace tulle::ca {

void RootRotation::Resume(RotationPhase phase, int64_t since) { Enter(phase, since); }

void RootRotation::OnIssued(int64_t not_after, bool in_file) {
  outstanding_.any = std::max(outstanding_.any, not_after);
  if (in_file) outstanding_.in_files = std::max(outstanding_.in_files, not_after);
}

void RootRotation::Enter(RotationPhase phase, int64_t now) {
  phase_ = phase;
  since_ = now;
  before_phase_ = outstanding_;
}

void RootRotation::Begin(int64_t now) {
  assert(phase_ == RotationPhase::kSteady);
  for (auto& [name, node] : nodes_) node.has_acknowledged = node.has_renewed = false;
  Enter(RotationPhase::kAnnouncing, now);
}

void RootRotation::OnConnected(const std::string& node) {
  Node& known = nodes_[node];
  known.is_connected = true;
}

void RootRotation::OnDisconnected(const std::string& node, int64_t now) {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return;
  found->second.is_connected = false;
  found->second.gone_since = now;
}

void RootRotation::OnAcknowledged(const std::string& node) { nodes_[node].has_acknowledged = true; }

void RootRotation::OnRenewed(const std::string& node) {
  nodes_[node].has_acknowledged = true;
  nodes_[node].has_renewed = true;
}

bool RootRotation::IsReady(const Node& node) const {
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

// After a restart of the control plane `nodes_` fills up only as they come back, and whoever was
// away before it is not in the list at all: without nodes the end of the SVIDs is the only proof.
int64_t RootRotation::waits_until(int64_t now) const {
  if (phase_ == RotationPhase::kSteady) return 0;
  const int64_t end = nodes_.empty() ? before_phase_.any : before_phase_.in_files;
  return end > now ? end : 0;
}

RotationPhase RootRotation::Advance(int64_t now) {
  std::erase_if(nodes_, [&](const auto& entry) {
    return !entry.second.is_connected && now - entry.second.gone_since >= svid_lifetime_;
  });
  if (phase_ == RotationPhase::kSteady) return phase_;
  const bool all_ready = std::all_of(nodes_.begin(), nodes_.end(),
                                     [&](const auto& entry) { return IsReady(entry.second); });
  if (!all_ready) return phase_;
  if (waits_until(now) != 0) return phase_;
  Enter(phase_ == RotationPhase::kAnnouncing ? RotationPhase::kRenewing : RotationPhase::kSteady,
        now);
  return phase_;
}

}  // namespace tulle::ca
