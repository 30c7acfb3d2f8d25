// Where TelemetryPolicies send spans and access logs. Pure; any thread.
#pragma once

#include <string>

#include "control-plane/policy/model.h"
#include "envoy/config/core/v3/base.pb.h"

namespace tulle::snapshot {

// REQUIRES: the policy names a collector.
struct CollectorAddress {
  std::string address;  // HOST:PORT
  std::string path;     // by HTTP; empty: by gRPC

  explicit CollectorAddress(const policy::TracingPolicy& tracing);
  explicit CollectorAddress(const policy::AccessLogPolicy& log);

  // One for each address and version of HTTP.
  std::string ClusterName() const {
    return (path.empty() ? "collector|" : "collector-http|") + address;
  }
  // REQUIRES: by HTTP.
  void SetService(envoy::config::core::v3::HttpService* service) const;
};

}  // namespace tulle::snapshot
