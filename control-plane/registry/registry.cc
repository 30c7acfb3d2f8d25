#include "control-plane/registry/registry.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "control-plane/discovery/workload_json.h"

namespace tulle::registry {
namespace {

using discovery::Health;
using discovery::Workload;

absl::Status UnknownLease() {
  return absl::NotFoundError("unknown or expired lease: register again");
}

}  // namespace

void Registry::Restore(Lease lease, milliseconds now) {
  quiet_until_ = now + options_.grace;
  lease.workload.health = Health::kHealthy;
  Insert(std::move(lease), now, true);
}

// Whole seconds: sidecars count in those.
milliseconds Registry::DefaultTtl() const {
  const size_t seconds = 3 * entries_.size() / options_.most_heartbeats_per_second;
  return std::max(options_.default_ttl, milliseconds(1000 * seconds));
}

void Registry::Insert(Lease lease, milliseconds now, bool is_ready) {
  const std::string id = lease.workload.id;
  if (lease.is_lasting) lasting_.insert(id);
  instance_of_[lease.id] = id;
  instances_of_[lease.workload.spiffe_id].insert(id);
  entries_[id] = Entry{std::move(lease), now, false, is_ready};
}

void Registry::Erase(Entries::iterator entry) {
  const Lease& lease = entry->second.lease;
  instance_of_.erase(lease.id);
  lasting_.erase(lease.workload.id);
  const auto instances = instances_of_.find(lease.workload.spiffe_id);
  instances->second.erase(lease.workload.id);
  if (instances->second.empty()) instances_of_.erase(instances);
  entries_.erase(entry);
}

absl::Status Registry::CheckRoomFor(const Workload& workload) const {
  if (entries_.contains(workload.id)) return absl::OkStatus();
  if (entries_.size() >= options_.most_leases) {
    return absl::ResourceExhaustedError(
        "too many registered workloads: stop those that are not needed");
  }
  const auto instances = instances_of_.find(workload.spiffe_id);
  const size_t count = instances == instances_of_.end() ? 0 : instances->second.size();
  if (count < options_.most_leases_of_one_identity) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(workload.spiffe_id, " already has ", count,
                   " instances: give each process a --state-dir of its own that is kept"));
}

// Replicas name the same services: only what differs counts.
absl::Status Registry::CheckOutboundOf(const Workload& workload) const {
  std::set<policy::ServiceName> named;
  const auto add = [&](const Workload& each) {
    for (const discovery::TcpOutbound& tcp : each.outbound.tcp) named.insert(tcp.service);
  };
  add(workload);
  const auto instances = instances_of_.find(workload.spiffe_id);
  if (instances != instances_of_.end()) {
    for (const std::string& id : instances->second) {
      if (id != workload.id) add(entries_.at(id).lease.workload);
    }
  }
  if (named.size() <= options_.most_tcp_outbound_of_one_identity) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "the instances of ", workload.spiffe_id, " name ", named.size(),
      " services for outbound TCP, more than ", options_.most_tcp_outbound_of_one_identity,
      ": list only those that are called, the same in every instance"));
}

absl::StatusOr<Lease> Registry::Register(Workload workload, std::optional<milliseconds> ttl,
                                         milliseconds now) {
  absl::Status status = discovery::CheckWorkload(workload);
  if (status.ok()) status = CheckRoomFor(workload);
  if (status.ok() && !workload.outbound.tcp.empty()) status = CheckOutboundOf(workload);
  if (!status.ok()) return status;
  const auto former = entries_.find(workload.id);
  if (former != entries_.end()) {
    if (former->second.lease.workload.spiffe_id != workload.spiffe_id) {
      return absl::PermissionDeniedError(absl::StrCat(
          "instance ", workload.id, " belongs to another identity: choose another instance id"));
    }
    Erase(former);
  }
  Lease lease;
  lease.id = new_lease_id_();
  lease.has_default_ttl = !ttl.has_value();
  lease.ttl = std::clamp(ttl.value_or(DefaultTtl()), options_.shortest_ttl, options_.longest_ttl);
  lease.workload = std::move(workload);
  const bool is_ready = lease.workload.health == Health::kHealthy;
  Insert(lease, now, is_ready);
  Remember(Change::Kind::kPut, lease);
  return lease;
}

absl::StatusOr<Lease> Registry::RegisterLasting(Workload workload, milliseconds now) {
  const std::string id = workload.id;
  workload.health = Health::kUnhealthy;
  auto lease = Register(std::move(workload), options_.default_ttl, now);
  if (!lease.ok()) return lease;
  lease->is_lasting = true;
  entries_.at(id).lease.is_lasting = true;
  changes_.back().lease.is_lasting = true;
  lasting_.insert(id);
  return lease;
}

void Registry::RenewLasting(const std::function<bool(const std::string&)>& is_alive,
                            milliseconds now) {
  for (const std::string& id : lasting_) {
    if (!is_alive(id)) continue;
    Entry& entry = entries_.at(id);
    entry.renewed_at = now;
    entry.is_expired = false;
    entry.is_ready = true;
    SetHealth(&entry);
  }
}

absl::Status Registry::RemoveLasting(const std::string& instance) {
  const auto entry = entries_.find(instance);
  if (entry == entries_.end()) {
    return absl::NotFoundError(
        absl::StrCat("workload ", instance, " is not registered: see `tullectl status`"));
  }
  if (!entry->second.lease.is_lasting) {
    return absl::FailedPreconditionError(
        absl::StrCat("workload ", instance, " is registered by its own sidecar: stop the sidecar"));
  }
  Remember(Change::Kind::kRemove, entry->second.lease);
  Erase(entry);
  return absl::OkStatus();
}

Registry::Entry* Registry::FindLease(std::string_view lease_id) {
  const auto instance = instance_of_.find(lease_id);
  if (instance == instance_of_.end()) return nullptr;
  return &entries_.at(instance->second);
}

void Registry::SetHealth(Entry* entry) {
  const Health health =
      entry->is_expired || !entry->is_ready ? Health::kUnhealthy : Health::kHealthy;
  if (entry->lease.workload.health == health) return;
  entry->lease.workload.health = health;
  Remember(Change::Kind::kHealth, entry->lease);
}

absl::StatusOr<milliseconds> Registry::Heartbeat(std::string_view lease_id, std::string_view caller,
                                                 bool is_ready, milliseconds now) {
  Entry* entry = FindLease(lease_id);
  if (entry == nullptr || entry->lease.workload.spiffe_id != caller) return UnknownLease();
  entry->renewed_at = now;
  entry->is_expired = false;
  entry->is_ready = is_ready;
  SetHealth(entry);
  if (entry->lease.has_default_ttl) entry->lease.ttl = std::min(DefaultTtl(), options_.longest_ttl);
  return entry->lease.ttl;
}

absl::StatusOr<std::string> Registry::Deregister(std::string_view lease_id,
                                                 std::string_view caller) {
  Entry* entry = FindLease(lease_id);
  if (entry == nullptr || entry->lease.workload.spiffe_id != caller) return UnknownLease();
  const Lease lease = entry->lease;
  Erase(entries_.find(lease.workload.id));
  Remember(Change::Kind::kRemove, lease);
  return lease.workload.id;
}

std::vector<std::string> Registry::Evict(std::string_view spiffe_id) {
  const auto found = instances_of_.find(spiffe_id);
  if (found == instances_of_.end()) return {};
  const std::vector<std::string> instances(found->second.begin(), found->second.end());
  for (const std::string& id : instances) {
    const auto entry = entries_.find(id);
    Remember(Change::Kind::kRemove, entry->second.lease);
    Erase(entry);
  }
  return instances;
}

void Registry::Advance(milliseconds now) {
  if (last_advance_ && now - *last_advance_ > options_.stall) quiet_until_ = now + options_.grace;
  last_advance_ = now;
  if (now < quiet_until_) return;
  ExpireOverdue(now);
  RemoveDead(now);
}

bool Registry::MustHold(size_t overdue, milliseconds now) {
  while (!recent_expiries_.empty() && now - recent_expiries_.front() > DefaultTtl()) {
    recent_expiries_.pop_front();
  }
  const double fraction = options_.mass_fraction * static_cast<double>(entries_.size());
  const size_t allowed = std::max(options_.mass_minimum, static_cast<size_t>(std::floor(fraction)));
  if (overdue == 0 || overdue + recent_expiries_.size() <= allowed) {
    held_since_.reset();
    return false;
  }
  if (!held_since_) held_since_ = now;
  return now - *held_since_ < options_.longest_hold;
}

void Registry::ExpireOverdue(milliseconds now) {
  std::vector<Entry*> overdue;
  for (auto& [id, entry] : entries_) {
    if (!entry.is_expired && now - entry.renewed_at >= entry.lease.ttl) overdue.push_back(&entry);
  }
  held_ = 0;
  if (MustHold(overdue.size(), now)) {
    held_ = overdue.size();
    return;
  }
  for (Entry* entry : overdue) {
    entry->is_expired = true;
    recent_expiries_.push_back(now);
    SetHealth(entry);
  }
}

void Registry::RemoveDead(milliseconds now) {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const Entry& each = entry->second;
    if (each.lease.is_lasting || !each.is_expired || now - each.renewed_at < 3 * each.lease.ttl) {
      ++entry;
      continue;
    }
    Remember(Change::Kind::kRemove, each.lease);
    Erase(entry++);
  }
}

std::vector<Change> Registry::TakeChanges() {
  std::vector<Change> changes;
  changes.swap(changes_);
  return changes;
}

std::map<std::string, Workload> Registry::workloads() const {
  std::map<std::string, Workload> workloads;
  for (const auto& [id, entry] : entries_) workloads[id] = entry.lease.workload;
  return workloads;
}

}  // namespace tulle::registry
