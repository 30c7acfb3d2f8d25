#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "net/dns/resolver.h"
#include "net/loop/loop.h"

namespace tulle::dns {

struct AresOptions {
  std::string servers;  // ADDRESS[:PORT], separated by commas; empty: those of resolv_conf
  // Read again when it changes, at the next question.
  std::string resolv_conf = "/etc/resolv.conf";
  uint16_t port = 53;                       // of servers that are named without one
  std::chrono::milliseconds timeout{2000};  // of one try, grows with each
  int tries = 3;
};

// c-ares on a thread of its own, so that no server's silence stops the loop. An answer out of the
// hosts file that lies in the range of virtual addresses (tullectl hosts wrote it) is not taken:
// the servers are asked. `loop` outlives this.
absl::StatusOr<std::unique_ptr<Resolver>> NewAresResolver(loop::Loop& loop,
                                                          const AresOptions& options);

}  // namespace tulle::dns
