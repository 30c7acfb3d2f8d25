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
  std::string servers;  // ADDRESS[:PORT], comma-separated; empty: those of resolv_conf
  // Read again when it changes, at the next question.
  std::string resolv_conf = "/etc/resolv.conf";
  uint16_t port = 53;                       // for servers named without a port
  std::chrono::milliseconds timeout{2000};  // of one attempt; grows with each
  int tries = 3;
};

// c-ares on its own thread, so that a silent server never blocks the loop. An answer from the hosts
// file in the range of virtual addresses (written by tullectl hosts) is ignored: the servers are
// asked instead. `loop` must outlive this.
absl::StatusOr<std::unique_ptr<Resolver>> NewAresResolver(loop::Loop& loop,
                                                          const AresOptions& options);

}  // namespace tulle::dns
