// Test connections, and where they arrive. Blocking.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "k8s/init/redirection.h"

namespace tulle::init {

struct Target {
  Family family = Family::kV4;
  std::string address;
  uint16_t port = 0;

  std::string text() const {
    return (family == Family::kV6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
  }
  bool operator==(const Target&) const = default;
};

// A listening socket, or why there is none.
class Listener {
 public:
  explicit Listener(const Target& at);
  ~Listener();
  Listener(const Listener&) = delete;

  int error() const { return error_; }  // errno; 0: it listens
  Target address() const;

  struct Arrival {
    std::optional<Target> original;  // the address that the caller dialled, if redirected
  };
  std::optional<Arrival> Accept(std::chrono::milliseconds within);

 private:
  Family family_;
  int descriptor_ = -1;
  int error_ = 0;
};

// A child process that connects as another user; ends with this object.
class Caller {
 public:
  Caller(uint32_t id, const Target& to);
  ~Caller();
  Caller(const Caller&) = delete;

  // The source port of the connection, reserved until then; 0: this process may not become another
  // user.
  uint16_t port() const { return port_; }
  // Call once. Its first packet has passed the rules when this returns.
  void Dial();

 private:
  int child_ = -1;
  int line_ = -1;  // to the child
  uint16_t port_ = 0;
};

bool HasRouteTo(const Target& target);

}  // namespace tulle::init
