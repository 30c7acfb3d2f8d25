#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "net/base/buffer.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"

// A server that is small enough to understand, structured like a proxy: connections with observers,
// an asynchronous call for each request, a limit that makes requests wait. Two bugs of typical
// kinds can be planted in it; the simulator has to find them.
namespace tulle::toy {

struct PlantedBugs {
  // A connection that ends cleanly does not cancel its call: the response is delivered to a
  // destroyed object.
  bool forgets_call = false;
  // A turn at the turnstile that was granted to a waiter which leaves before using it is lost.
  bool drops_grant = false;
};

// A callback target. A callback to a destroyed one is the bug to be found: it is recorded, and not
// made, because it would be undefined behaviour.
class Ledger {
 public:
  uint64_t Enter() {
    living_.insert(++last_);
    return last_;
  }
  void Leave(uint64_t who) { living_.erase(who); }
  bool Check(uint64_t who) {
    if (living_.contains(who)) return true;
    ++violations_;
    return false;
  }
  int violations() const { return violations_; }

 private:
  std::set<uint64_t> living_;
  uint64_t last_ = 0;
  int violations_ = 0;
};

// Admits one request at a time, the others in the order of arrival.
class Turnstile {
 public:
  Turnstile(loop::Loop& loop, bool drops_grant) : loop_(loop), drops_grant_(drops_grant) {}
  void Enter(uint64_t who, std::function<void()> go);
  void Leave(uint64_t who);  // whether inside or waiting

 private:
  struct Waiter {
    uint64_t who;
    std::function<void()> go;
  };
  void Grant(uint64_t to);
  void PassOn();

  loop::Loop& loop_;
  const bool drops_grant_;
  uint64_t inside_ = 0;  // 0: none
  Waiter granted_{};     // is inside, and has not been notified yet
  std::deque<Waiter> waiting_;
};

// Responds to calls after a delay.
class Backend {
 public:
  Backend(loop::Loop& loop, Ledger& ledger) : loop_(loop), ledger_(ledger) {}
  void Call(uint64_t who, std::function<void()> answer);
  void Cancel(uint64_t who);

 private:
  struct Pending {
    uint64_t who;
    std::function<void()> answer;
    std::unique_ptr<loop::Timer> timer;
    bool done = false;
  };
  loop::Loop& loop_;
  Ledger& ledger_;
  std::vector<std::unique_ptr<Pending>> pending_;
};

// Responds to each line with a line.
class Server : public loop::ListenerEvents {
 public:
  Server(loop::Loop& loop, const SocketAddress& at, const PlantedBugs& bugs);
  ~Server() override;
  void OnAccept(std::unique_ptr<loop::Socket> socket) override;
  const Ledger& ledger() const { return ledger_; }

 private:
  class Session;
  void Remove(Session& session);

  loop::Loop& loop_;
  const PlantedBugs bugs_;
  Ledger ledger_;
  Turnstile turnstile_;
  Backend backend_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::unique_ptr<loop::Listener> listener_;
};

}  // namespace tulle::toy
