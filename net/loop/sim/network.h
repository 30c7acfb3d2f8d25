#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "net/loop/sim/connection.h"
#include "net/loop/sim/event_queue.h"
#include "net/loop/sim/fault_plan.h"
#include "net/loop/sim/link.h"
#include "net/loop/sim/trace.h"

namespace tulle::sim {

// Connections waiting to be accepted. Owner: a listening socket.
class AcceptQueue {
 public:
  virtual ~AcceptQueue() = default;
  // False: the queue is full.
  virtual bool Offer(std::shared_ptr<Connection> connection) = 0;
};

// Hosts with their addresses and names, listeners, and the links between hosts. Owner: Simulation.
class Network {
 public:
  Network(uint64_t seed, const FaultPlan& plan, EventQueue& events, Trace& trace);

  int AddHost(std::vector<SocketAddress> addresses);
  void AddName(std::string name, std::vector<SocketAddress> addresses);
  // Null: unknown name.
  const std::vector<SocketAddress>* Find(std::string_view name) const;
  void Cut(int host, int other, loop::Duration length);
  bool IsOwn(int host, const SocketAddress& address) const;
  // Redirects what that host connects to `from` to `to`, which learns the original address by
  // SO_ORIGINAL_DST. Connections with a bound source address, such as a proxy's, are exempt.
  void Redirect(int host, const SocketAddress& from, const SocketAddress& to);

  int Reset(int host, int other);

  // Null and *error: the source address does not belong to the host.
  std::shared_ptr<Connection> Connect(int host, const SocketAddress& wanted,
                                      const SocketAddress& source, int* error);
  // 0, or negative errno. Port 0 in `at` is replaced by a free port.
  int Bind(int host, SocketAddress& at, bool reuse_port, AcceptQueue& queue);
  void Unbind(int host, const SocketAddress& at, AcceptQueue& queue);

  // For Connection.
  bool OfferToListener(std::shared_ptr<Connection> connection, int host, const SocketAddress& at);
  void RecordDelivery(int host, std::string_view kind, std::string_view bytes);
  size_t DrawShort(size_t count);
  bool RollReset();
  bool FlipCoin() { return (random_.Next() & 1) != 0; }

  const FaultPlan& plan() const { return plan_; }
  EventQueue& events() { return events_; }
  loop::Instant now() const { return events_.now(); }
  void TraceContents() { trace_contents_ = true; }

 private:
  struct Binding {
    bool reuse_port;
    std::vector<AcceptQueue*> queues;
  };
  struct Host {
    std::vector<SocketAddress> addresses;
    uint16_t next_port = 32768;
    std::map<SocketAddress, Binding> bindings;
    std::map<SocketAddress, SocketAddress> redirections;
  };

  // -1: no host has this address; connects to it hang.
  int HostOf(int from, const SocketAddress& address) const;
  SocketAddress DefaultSource(int host, const SocketAddress& to) const;
  uint16_t TakePort(int host);
  void Remember(const std::shared_ptr<Connection>& connection);
  Link& LinkBetween(int host, int other);

  const FaultPlan& plan_;
  EventQueue& events_;
  Trace& trace_;
  const uint64_t seed_;
  loop::Random random_;
  bool trace_contents_ = false;
  std::vector<Host> hosts_;
  std::map<std::string, std::vector<SocketAddress>, std::less<>> names_;
  std::map<std::pair<int, int>, std::unique_ptr<Link>> links_;
  // In order of creation; removed entries are swept when the list has grown.
  std::vector<std::weak_ptr<Connection>> connections_;
  size_t sweep_at_ = 64;
};

}  // namespace tulle::sim
