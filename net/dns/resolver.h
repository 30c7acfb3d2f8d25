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
  // The shortest of all records, including aliases. 0 if the server says so, or if no server was
  // needed.
  std::chrono::seconds ttl{0};
  std::string error;  // what failed, and what to check
};

// Resolves host names to addresses with their TTL. Owner: main(). Thread: main; internal threads
// are hidden. Faked in simulations.
class Resolver {
 public:
  virtual ~Resolver() = default;  // unanswered questions stay unanswered

  class Question {
   public:
    virtual ~Question() = default;  // destroying it cancels the question
  };
  using Answered = std::function<void(Answer)>;
  // `done` runs on the loop's thread, never within this call.
  virtual std::unique_ptr<Question> Ask(std::string_view host, Family family, Answered done) = 0;
};

}  // namespace tulle::dns
