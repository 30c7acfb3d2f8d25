#pragma once

#include <algorithm>
#include <chrono>

#include "net/dns/resolver.h"
#include "net/loop/loop.h"
#include "sidecar/upstream/cluster_spec.h"

namespace tulle::sidecar {

// When a name is resolved again: after Cluster.dns_refresh_rate or, with respect_dns_ttl, the
// records' TTL, limited to between one second (a TTL of 0 would loop) and one hour. A failure is
// retried at the refresh rate. Up to `milliseconds` of jitter keeps a fleet from asking at once.
// Pure.
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
