#pragma once

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "net/base/socket_address.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "sidecar/policy/rule_spec.h"

namespace tulle::proxy {

class ActiveListener;

// The answer of the control plane about a destination.
enum class DestinationAnswer : uint8_t {
  kNone,         // it does not belong to the mesh
  kUnreachable,  // the control plane could not be reached
};

// Where redirected connections go: to the listener of the address that the client dialled, if need
// be after requesting it from the control plane, or else to that address itself. An unknown address
// in a range of the mesh is refused.
//
// Owner: Worker. Thread: the worker's.
class Destinations {
 public:
  struct OnDemand {
    std::vector<policy::Cidr> mesh_ranges;
    // Requests the listener of that address; Answer, or Rebuild with it, follows.
    std::function<void(const SocketAddress&)> ask;
  };

  Destinations(loop::Loop& loop, loop::Deadlines& deadlines);
  ~Destinations();

  // From now on unknown destinations are requested.
  void Serve(OnDemand on_demand) { on_demand_ = std::move(on_demand); }
  // After every change of the listeners, which outlive the next call. Connections that waited for
  // one continue.
  void Rebuild(const std::vector<std::unique_ptr<ActiveListener>>& listeners);
  // A listener is removed, with the connections that it accepted.
  void Forget(ActiveListener& listener);
  void Answer(const SocketAddress& destination, DestinationAnswer answer);

  // `socket` was accepted by `at` and has its original destination.
  void Arrive(ActiveListener& at, std::unique_ptr<loop::Socket> socket);

 private:
  struct Waiting;

  ActiveListener* Find(const SocketAddress& destination) const;
  bool IsMissed(const SocketAddress& destination);
  bool InMesh(const SocketAddress& destination) const;
  void Wait(ActiveListener& at, std::unique_ptr<loop::Socket> socket);
  void PassOn(ActiveListener& at, std::unique_ptr<loop::Socket> socket);
  void OnWaitedTooLong(Waiting& waiting);
  template <typename Wanted>
  std::vector<std::unique_ptr<Waiting>> Take(Wanted wanted);

  loop::Loop& loop_;
  loop::Deadlines& deadlines_;
  OnDemand on_demand_;
  std::map<SocketAddress, ActiveListener*> listeners_;
  std::vector<std::unique_ptr<Waiting>> waiting_;
  std::map<SocketAddress, loop::Instant> missed_;  // until when
};

}  // namespace tulle::proxy
