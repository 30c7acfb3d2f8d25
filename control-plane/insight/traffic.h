// How much traffic there was from whom to whom, how fast and how well it went. Values; any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <vector>

namespace tulle::insight {

// Upper ends of the buckets of durations, in milliseconds; one more bucket holds what is longer.
// Source: tulle.insight.v1.Requests.
inline constexpr double kBucketEnds[] = {0.5,   1,     2.5,    5,      10,   25,   50,
                                         100,   250,   500,    1000,   2500, 5000, 10000,
                                         30000, 60000, 300000, 600000, 1.8e6};
inline constexpr size_t kBuckets = std::size(kBucketEnds) + 1;

// From a workload to a service, as one of both sides sees it. IDs are SPIFFE IDs; empty: unknown.
struct Edge {
  std::string source;
  std::string service;      // a host
  std::string destination;  // the workload that was reached
  std::string protocol;     // "http", "grpc" or "tcp"
  bool outbound = false;    // the caller's sidecar says so
  bool mutual_tls = false;
  // If `outbound`: the route that chose the service, and the host that was called; empty: unknown,
  // and the service itself.
  std::string route{};
  std::string called{};

  auto operator<=>(const Edge&) const = default;
  const std::string& reporter() const { return outbound ? source : destination; }
};

// How requests ended.
struct Outcome {
  uint32_t code = 0;     // of HTTP; 0: no response was sent
  int grpc_status = -1;  // -1: none
  std::string flags;     // Envoy's response flags; empty: none

  auto operator<=>(const Outcome&) const = default;
  // The service or the mesh has failed: a 5xx, or a status of gRPC that says the same. Neither is a
  // request that its caller cancelled, nor one that policy denied.
  bool is_failure() const;
};

// Counts end at UINT64_MAX.
struct Connections {
  uint64_t opened = 0;  // by the callers, also those that failed or were denied
  uint64_t closed = 0;
  uint64_t sent = 0;  // bytes, to the caller
  uint64_t received = 0;
  uint64_t failed = 0;  // of those that are closed: the service or the way to it failed
  uint64_t denied = 0;  // by a policy

  bool operator==(const Connections&) const = default;
  void Add(const Connections& other);
};

struct Traffic {
  // Further ones are counted together, with kOther as their flags.
  static constexpr size_t kMostOutcomes = 16;
  static constexpr char kOther[] = "other";

  uint64_t requests = 0;
  uint64_t failures = 0;
  std::array<uint64_t, kBuckets> buckets{};  // requests by duration
  std::map<Outcome, uint64_t> outcomes;      // those that are not a plain success
  Connections tcp;

  void Add(const Traffic& other);
  void AddOutcome(const Outcome& outcome, uint64_t count);
  // Milliseconds below which `share` of the requests ended, by linear interpolation in a bucket; 0:
  // there were none.
  double Quantile(double share) const;
};

struct EdgeTraffic {
  Edge edge;
  Traffic traffic;
};

// From a workload to a service, as its users think of it: one for both reports and all workloads
// behind the service.
struct Link {
  std::string source;   // SPIFFE ID; empty: a caller without an identity
  std::string service;  // a host; empty: unknown
  std::vector<std::string> destinations;
  Traffic traffic;
  uint64_t mutual_tls = 0;  // of the requests and connections
  bool is_tcp = false;
  bool by_caller = false;  // its reports; else those of the service
  // Of Detail::kRoutes.
  std::string called{};  // the host that was called; `service` is the one that the route has chosen
  std::string route{};   // empty: unknown, as where the caller does not report
};

enum class Detail { kServices, kRoutes };

// Where a caller reports, its reports count: it alone knows which service it called, and what did
// not arrive. For other callers, as those outside the mesh, the service's. Ordered by source,
// service, is_tcp, called and route. kRoutes: one link for each route.
std::vector<Link> LinksOf(const std::vector<EdgeTraffic>& edges, Detail detail = Detail::kServices);

}  // namespace tulle::insight
