// Logs calls of sidecars that ended because a request message did not arrive completely: the first
// one at once, then at most one line a minute. Owner: the Frontend. Thread: the loop's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/http/head.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "telemetry/log.h"

namespace tulle::server {

class MessageTimeoutLog {
 public:
  static constexpr std::chrono::seconds kEvery{60};

  MessageTimeoutLog(loop::Loop& loop, telemetry::Log& log) : loop_(loop), log_(log) {}

  void Note(const http::Head& head, const Transport& transport) {
    ++unreported_;
    const loop::Instant now = loop_.Now();
    if (reported_at_ && now - *reported_at_ < kEvery) return;
    reported_at_ = now;
    const PeerIdentity* peer = transport.peer();
    log_.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kServer,
               absl::StrCat("sidecars port: ended ", std::exchange(unreported_, 0),
                            " calls whose request did not arrive completely in time; the last one "
                            "was ",
                            std::string(head.path), " from ", transport.PeerAddress().host(), ", ",
                            peer == nullptr ? "without a certificate" : peer->spiffe_id));
  }

 private:
  loop::Loop& loop_;
  telemetry::Log& log_;
  std::optional<loop::Instant> reported_at_;
  uint64_t unreported_ = 0;
};

}  // namespace tulle::server
