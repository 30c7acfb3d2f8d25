#pragma once

#include <atomic>
#include <cstdint>

#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/cluster_table.h"

namespace tulle::proxy {

class Destinations;
class DownstreamLimit;
class Exchange;
class Mirrors;
class RouteSlots;
class TcpRelay;
struct OwnWorkload;

// Why a connection was closed as it came.
enum class Refusal : uint8_t {
  kLimit,  // DownstreamLimit
  kLoop,   // not redirected, or meant for the proxy itself
  kUnknownDestination,
  kMemory,
};

// How near the process is to its limit on memory.
enum class MemoryPressure : uint8_t {
  kNone,
  kShort,     // nothing new is begun
  kCritical,  // what holds most is ended
};
using SharedMemoryPressure = std::atomic<MemoryPressure>;

// Who is told about every request and relayed connection when it has ended: access log and metrics.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void OnExchangeEnd(const Exchange& exchange) = 0;
  // The upstream of a relay was reached.
  virtual void OnRelayOpened(const TcpRelay&) {}
  virtual void OnRelayEnd(const TcpRelay& relay) = 0;
  // A connection was taken, and has ended, whatever came of it.
  virtual void OnDownstreamAccepted() {}
  virtual void OnDownstreamClosed() {}
  // A connection was closed as it came.
  virtual void OnDownstreamRefused(Refusal) {}
  // A copy of a request has ended; `status` 0: without an answer.
  virtual void OnMirrorEnd(std::string_view service, int status, Failure failure) {
    static_cast<void>(service);
    static_cast<void>(status);
    static_cast<void>(failure);
  }
  // Who we are, from now on.
  virtual void OnOwnWorkload(const OwnWorkload&) {}
};

// What a worker lends to its connections. Owner: Worker; outlives them all.
struct Services {
  loop::Loop& loop;
  loop::Deadlines& deadlines;
  upstream::ClusterTable& clusters;
  RouteSlots& routes;
  Observer& observer;
  DownstreamLimit* downstream_limit = nullptr;  // null: none
  Destinations* destinations = nullptr;         // of redirected connections; null: none is followed
  Mirrors* mirrors = nullptr;                   // null: nothing is mirrored
  const SharedMemoryPressure* memory = nullptr;  // null: no limit is known

  // Nothing new may be begun: the process nears its limit, or the system has refused memory.
  bool ShortOfMemory() const {
    if (loop.slab().short_of_memory()) return true;
    return memory != nullptr && memory->load(std::memory_order_relaxed) != MemoryPressure::kNone;
  }
};

}  // namespace tulle::proxy
