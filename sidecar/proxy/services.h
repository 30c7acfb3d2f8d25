#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "net/base/failure.h"
#include "net/base/socket_address.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "sidecar/proxy/detection_verdict.h"
#include "sidecar/proxy/http_date.h"
#include "sidecar/proxy/second_limit.h"
#include "sidecar/upstream/breaker_observer.h"
#include "sidecar/upstream/cluster_table.h"

namespace tulle::proxy {

class BodyStages;
struct Call;
class Destinations;
class DownstreamLimit;
class Mirrors;
class RouteSlots;
class TcpRelay;
struct Workload;

// Why a connection was refused.
enum class Refusal : uint8_t {
  kLimit,  // DownstreamLimit
  kLoop,   // not redirected, or addressed to the proxy itself
  kUnknownDestination,
  kMemory,
  kNoFilterChain,
  kPlaintext,  // the listener has filter chains for TLS only
  kTls,        // the handshake failed, or the peer's certificate was not accepted
};

// A connection that was closed because no filter chain of its listener matched it.
struct UnmatchedConnection {
  SocketAddress remote;
  SocketAddress local;
  std::string_view sni;
  bool plaintext_refused = false;  // a chain for TLS would have matched: mTLS is STRICT
  std::string_view policy;         // that asks for it; empty: unknown
  std::string_view service;        // that the connection was for; empty: unknown
};

// A connection that we ended because its TLS handshake failed, because its peer broke HTTP/2 or
// sent a flood of cheap frames, or because its protocol could not be detected.
struct BrokenConnection {
  SocketAddress remote;
  SocketAddress local;
  std::string_view sni;
  std::string_view identity;  // the peer's SPIFFE ID; empty: none
  std::string_view service;   // that it was for; empty: unknown
  Failure failure;
};

// How near the process is to its memory limit.
enum class MemoryPressure : uint8_t {
  kNone,
  kShort,     // new requests and connections are refused
  kCritical,  // the requests that hold most are ended
};
using SharedMemoryPressure = std::atomic<MemoryPressure>;

// Access log and metrics: told about every request and relayed connection when it has ended.
class Observer : public upstream::BreakerObserver {
 public:
  virtual void OnRequestEnd(const Call& call) = 0;
  // A relay has connected to its upstream.
  virtual void OnRelayOpened(const TcpRelay&) {}
  virtual void OnRelayEnd(const TcpRelay& relay) = 0;
  // A connection was accepted; it has ended, for whatever reason.
  virtual void OnDownstreamAccepted() {}
  virtual void OnDownstreamClosed() {}
  virtual void OnDownstreamRefused(Refusal) {}
  // Its protocol was looked for, with this result.
  virtual void OnDetection(DetectionVerdict) {}
  // Closed since the result was none.
  virtual void OnUndetected(const BrokenConnection&) {}
  // Refused since no filter chain matched.
  virtual void OnUnmatched(const UnmatchedConnection&) {}
  virtual void OnBroken(const BrokenConnection&) {}
  // A mirrored request has ended; `status` 0: without a response.
  virtual void OnMirrorEnd(std::string_view service, int status, Failure failure) {
    static_cast<void>(service);
    static_cast<void>(status);
    static_cast<void>(failure);
  }
  // Our own identity, from now on.
  virtual void OnOwnWorkload(const Workload&) {}
  // The configuration that is in force from now on. `name` tells it from others.
  virtual void OnConfigured(std::chrono::system_clock::time_point since, std::string_view name) {
    static_cast<void>(since);
    static_cast<void>(name);
  }
  // Series of metrics have been taken out of the registry (telemetry::RetireIdle).
  virtual void OnSeriesRetired() {}
};

// What a worker lends to its connections. Owner: Worker; outlives them all.
struct Services {
  loop::Loop& loop;
  loop::Deadlines& deadlines;
  upstream::ClusterTable& clusters;
  RouteSlots& routes;
  Observer& observer;
  DownstreamLimit* downstream_limit = nullptr;   // null: none
  Destinations* destinations = nullptr;          // of redirected connections; null: not followed
  Mirrors* mirrors = nullptr;                    // null: nothing is mirrored
  const SharedMemoryPressure* memory = nullptr;  // null: no limit is known
  BodyStages* body_stages = nullptr;             // null: bodies pass unchanged
  uint64_t connections = 0;   // downstream ones so far, those at their handshake left out
  bool shows_causes = false;  // errors of our own have the header x-tulle-cause
  HttpDate date{};
  SecondLimit new_traces{};                            // TracingSpec::traces_per_second
  std::chrono::system_clock::time_point configured{};  // since when the configuration is in force

  // New work is refused: the process nears its limit, or the system has refused memory.
  bool ShortOfMemory() const {
    if (loop.slab().short_of_memory()) return true;
    return memory != nullptr && memory->load(std::memory_order_relaxed) != MemoryPressure::kNone;
  }
  // What is left is for requests with small bodies: those that would hold more are ended.
  bool NearlyOutOfMemory() const {
    return loop.slab().nearly_out() && loop.slab().short_of_memory();
  }
};

}  // namespace tulle::proxy
