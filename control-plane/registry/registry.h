// Who is alive: registrations with a lease that heartbeats renew.
//
// A pure state machine on a monotonic clock that is passed in (milliseconds since any start): no
// I/O, no timers. The caller persists and publishes the Changes that each call returns, and calls
// Advance() once a second. A lease that is not renewed within its ttl makes the endpoint unhealthy,
// after three ttls it is removed. Leases do not expire in a rush:
//   after a restart  every restored lease starts afresh, and nothing expires within `grace`;
//   after a stall    (this process was stopped or starved) the same: heartbeats could not be
//                    received;
//   many at once     when more than `mass_fraction` would expire within one ttl, the network is the
//                    likelier cause: they are held as they are, counted, for at most
//                    `longest_hold`.
// A lease whose holder asks for no ttl has one that grows with the number of leases, so that all
// heartbeats together stay below most_heartbeats_per_second; heartbeats tell the holder.
// A heartbeat costs a lookup; a registration depends on the instances of its identity alone.
// Thread: one. Errors: absl::Status for the caller of the RPC.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/discovery/mesh.h"

namespace tulle::registry {

using std::chrono::milliseconds;

struct Lease {
  std::string id;  // unguessable; known to its holder alone
  discovery::Workload workload;
  milliseconds ttl{0};
  bool has_default_ttl = false;  // the holder asked for none
  // Registered for a proxy that does not do it itself: its xDS connection renews it, and without
  // one it is unhealthy and stays.
  bool is_lasting = false;
};

// What happened to a workload. kPut and kRemove are stored; kHealth is published alone: a restart
// begins afresh anyway.
struct Change {
  enum class Kind { kPut, kHealth, kRemove };
  Kind kind = Kind::kPut;
  Lease lease;
};

class Registry {
 public:
  struct Options {
    milliseconds default_ttl{15000};  // at least; a sidecar sends a heartbeat each third of it
    size_t most_heartbeats_per_second = 400;
    milliseconds shortest_ttl{1000};
    milliseconds longest_ttl{300000};
    milliseconds grace{45000};  // longer than the longest back-off of a sidecar that reconnects
    milliseconds stall{5000};
    milliseconds longest_hold{300000};
    double mass_fraction = 0.15;
    size_t mass_minimum = 2;  // so many may always expire: a small mesh must notice a single death
    size_t most_leases = 100000;
    size_t most_leases_of_one_identity = 1000;
    // Each becomes a service of the whole mesh, even if no workload serves it.
    size_t most_tcp_outbound_of_one_identity = 256;
  };

  using LeaseIdFn = std::function<std::string()>;
  Registry(const Options& options, LeaseIdFn new_lease_id)
      : options_(options), new_lease_id_(std::move(new_lease_id)) {}

  // At start, for each stored lease, before any other call.
  void Restore(Lease lease, milliseconds now);

  // The workload's spiffe_id and services come from the authenticated caller. A second registration
  // of an instance replaces the first if both have the same identity.
  absl::StatusOr<Lease> Register(discovery::Workload workload, std::optional<milliseconds> ttl,
                                 milliseconds now);
  // For a proxy that sends no heartbeats: see Lease::is_lasting. No traffic before it is renewed.
  absl::StatusOr<Lease> RegisterLasting(discovery::Workload workload, milliseconds now);
  // Renews those lasting ones for which `is_alive` holds.
  void RenewLasting(const std::function<bool(const std::string&)>& is_alive, milliseconds now);
  // kNotFound; kFailedPrecondition: its proxy registers itself.
  absl::Status RemoveLasting(const std::string& instance);
  // kNotFound: register again. `caller` is the SPIFFE ID that the connection proved.
  absl::StatusOr<milliseconds> Heartbeat(std::string_view lease_id, std::string_view caller,
                                         bool is_ready, milliseconds now);
  // REQUIRES: `lease_id` is known.
  const std::string& InstanceOf(std::string_view lease_id) const {
    return instance_of_.find(lease_id)->second;
  }
  // The instance that has left.
  absl::StatusOr<std::string> Deregister(std::string_view lease_id, std::string_view caller);
  // Removes the instances of an identity and returns their ids.
  std::vector<std::string> Evict(std::string_view spiffe_id);

  void Advance(milliseconds now);

  // What has changed since the last call, in order.
  std::vector<Change> TakeChanges();

  // Every workload that is not removed, with its health; ordered by id.
  std::map<std::string, discovery::Workload> workloads() const;
  bool Has(const std::string& instance) const { return entries_.contains(instance); }
  size_t size() const { return entries_.size(); }
  bool is_holding() const { return held_since_.has_value(); }
  size_t held() const { return held_; }  // leases that are overdue and held now

 private:
  struct Entry {
    Lease lease;
    milliseconds renewed_at{0};
    bool is_expired = false;
    bool is_ready = true;
  };
  using Entries = std::map<std::string, Entry>;  // by instance id

  Entry* FindLease(std::string_view lease_id);
  milliseconds DefaultTtl() const;
  void Insert(Lease lease, milliseconds now, bool is_ready);
  void Erase(Entries::iterator entry);
  absl::Status CheckRoomFor(const discovery::Workload& workload) const;
  absl::Status CheckOutboundOf(const discovery::Workload& workload) const;
  void SetHealth(Entry* entry);
  void Remember(Change::Kind kind, const Lease& lease) { changes_.push_back({kind, lease}); }
  bool MustHold(size_t overdue, milliseconds now);
  void ExpireOverdue(milliseconds now);
  void RemoveDead(milliseconds now);

  Options options_;
  LeaseIdFn new_lease_id_;
  Entries entries_;
  std::map<std::string, std::string, std::less<>> instance_of_;             // by lease id
  std::map<std::string, std::set<std::string>, std::less<>> instances_of_;  // by SPIFFE ID
  std::set<std::string> lasting_;                                           // instances
  std::vector<Change> changes_;
  std::deque<milliseconds> recent_expiries_;
  std::optional<milliseconds> last_advance_;
  std::optional<milliseconds> held_since_;
  milliseconds quiet_until_{0};
  size_t held_ = 0;
};

}  // namespace tulle::registry
