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

// A server small enough to be seen through, with the shapes of a proxy: connections with observers,
// an asynchronous call for each request, a limit that makes requests wait. Two bugs of the kinds
// that cost a proxy most can be planted in it; the simulator has to find them.
namespace tulle::toy {

struct PlantedBugs {
  // A connection that ends in good order does not cancel its call: the answer comes to an object
  // that is gone.
  bool forgets_call = false;
  // A turn at the turnstile granted to a waiter that leaves before it can use it is not passed on.
  bool drops_grant = false;
};

// Who may be called back. An answer to one that is gone is the defect looked for: noted, and not
// made, since it would be undefined behaviour.
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

// Lets one request through at a time, the others in the order they came.
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
  uint64_t inside_ = 0;  // 0: nobody
  Waiter granted_{};     // is inside, and has yet to hear of it
  std::deque<Waiter> waiting_;
};

// Answers calls after a while.
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

// Answers each line with a line.
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
