#pragma once

#include <algorithm>
#include <chrono>

#include "net/dns/resolver.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::sidecar {

// When a name is asked for again: Cluster.dns_refresh_rate, or with respect_dns_ttl the records'
// own time, from a second (a TTL of 0 would ask for ever) to an hour (nobody remembers longer). A
// failure is tried again at the refresh rate. `milliseconds` of jitter, so that a fleet does not
// ask at once. Pure.
inline loop::Duration NextQuestion(const upstream::DnsSpec& spec, const dns::Answer& answer,
                                   uint64_t milliseconds) {
  using std::chrono::seconds;
  loop::Duration wait = std::max<loop::Duration>(spec.refresh, seconds(1));
  if (spec.respect_ttl && !answer.addresses.empty()) {
    wait = std::clamp(answer.ttl, seconds(1), seconds(3600));
  }
  return wait + std::chrono::milliseconds(milliseconds % 1000) * (wait / seconds(1)) / 20;
}

}  // namespace tulle::sidecar
