#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/label_values.h"
#include "telemetry/metrics.h"

namespace tulle::scale {

// The metrics of requests that a sidecar would have after a time of steady traffic: for each of its
// peers, requests that it sent and requests that it received, of which one in a hundred failed.
// They are computed from the time that has passed, so that a thousand sidecars cost the imitator
// little between two reports.
//
// Owner: ImitatedSidecar. Thread: any.
class ImitatedTraffic {
 public:
  struct Plan {
    std::string principal;  // this workload's SPIFFE ID
    std::string service;    // this workload's host
    struct Peer {
      std::string principal;
      std::string service;
    };
    std::vector<Peer> peers;         // each is called, and calls
    double requests_per_second = 0;  // of all calls; as many are received
  };

  explicit ImitatedTraffic(const Plan& plan);

  // After `seconds` of traffic: telemetry::kRouteRequestDuration alone.
  std::vector<telemetry::FamilySamples> At(double seconds) const;

 private:
  struct Series {
    telemetry::LabelValues labels;
    double requests_per_second = 0;
  };

  void AddSeries(const Plan& plan, const Plan::Peer& peer, bool outbound);

  std::vector<Series> series_;  // sorted by labels
};

// The SPIFFE ID of an account in the trust domain and namespace of `principal`.
std::string PrincipalBeside(const std::string& principal, const std::string& account);

}  // namespace tulle::scale
