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

// What the control plane says of a destination that was asked for.
enum class DestinationAnswer : uint8_t {
  kNone,         // nothing of the mesh is there
  kUnreachable,  // nobody could be asked
};

// Where redirected connections go: the listener at the address that the client wanted, the one that
// the control plane sends for it when asked, or on to that address itself. What lies in a range of
// the mesh and is not known is refused: it is nowhere else.
//
// Owner: Worker. Thread: the worker's.
class Destinations {
 public:
  struct OnDemand {
    std::vector<policy::Cidr> mesh_ranges;
    // Asks for the listener of that address; Answer, or Rebuild with it, follows.
    std::function<void(const SocketAddress&)> ask;
  };

  Destinations(loop::Loop& loop, loop::Deadlines& deadlines);
  ~Destinations();

  // From now on unknown destinations are asked for.
  void Serve(OnDemand on_demand) { on_demand_ = std::move(on_demand); }
  // After every change of the listeners, which outlive the next call. What waited for one goes on.
  void Rebuild(const std::vector<std::unique_ptr<ActiveListener>>& listeners);
  // A listener goes away, with what it has accepted.
  void Forget(ActiveListener& listener);
  void Answer(const SocketAddress& destination, DestinationAnswer answer);

  // `socket` was accepted by `at` and knows where it wanted to go.
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
