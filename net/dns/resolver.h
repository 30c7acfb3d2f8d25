#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/socket_address.h"

namespace tulle::dns {

enum class Family : uint8_t { kAuto, kV4Only, kV6Only, kV4Preferred, kAll };

struct Answer {
  std::vector<SocketAddress> addresses;  // with port 0; empty: see error
  // The shortest of the records, aliases too; 0 where the server says so, or for what needs no
  // server.
  std::chrono::seconds ttl{0};
  std::string error;  // what went wrong, and what to look at
};

// Host names to addresses, with the time for which they hold. Owner: main(). Thread: main; what it
// does elsewhere does not show. Faked in simulations.
class Resolver {
 public:
  virtual ~Resolver() = default;  // unanswered questions stay unanswered

  class Question {
   public:
    virtual ~Question() = default;  // nobody wants the answer any more
  };
  using Answered = std::function<void(Answer)>;
  // `done` runs on the loop's thread, never within this call.
  virtual std::unique_ptr<Question> Ask(std::string_view host, Family family, Answered done) = 0;
};

}  // namespace tulle::dns
