#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "sidecar/proxy/ended.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

// Who we are in metrics: the workload beside this sidecar.
struct OwnWorkload {
  std::string name;
  std::string namespace_name;
  std::string spiffe_id;
};

// Of spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT; an ID of another form has no names.
OwnWorkload OwnWorkloadOf(std::string spiffe_id);

// Counts what has ended into the worker's registry, under Istio's names and the short ones. In
// steady state a request costs one look-up under a key built on the stack: no memory is asked for
// and nothing is locked. Label values come from configuration, from verified identities or from
// closed lists, never from a request's text (fault 85).
//
// Owner: Worker. Thread: the worker's.
class RequestTelemetry {
 public:
  RequestTelemetry(telemetry::Registry& registry, OwnWorkload own);

  // After our first certificate, or a new one. Rows made before keep their labels.
  void SetOwnWorkload(OwnWorkload own);
  void Count(const EndedRequest& request);
  void CountOpened(const EndedRelay& relay);
  void Count(const EndedRelay& relay);

 private:
  struct RequestCells {
    telemetry::Counter* requests;
    telemetry::Histogram* duration_ms;
    telemetry::Histogram* request_bytes;
    telemetry::Histogram* response_bytes;
    telemetry::Counter* http_requests;
    telemetry::Histogram* http_duration;
  };
  struct RelayCells {
    telemetry::Counter* sent;
    telemetry::Counter* received;
    telemetry::Counter* opened;
    telemetry::Counter* closed;
  };
  struct Labels;

  RequestCells MakeCells(const EndedRequest& request);
  RelayCells MakeCells(const EndedRelay& relay);
  RelayCells CellsOf(const EndedRelay& relay);
  Labels LabelsOf(const EndedDownstream& downstream, std::string_view service,
                  std::string_view upstream_peer) const;

  // As many keys as a family has rows; what comes beyond is looked up in the registry each time.
  static constexpr size_t kMostKeys = telemetry::Registry::kRowsPerFamily;

  telemetry::Registry& registry_;
  OwnWorkload own_;
  absl::flat_hash_map<std::string, RequestCells> requests_;
  absl::flat_hash_map<std::string, RelayCells> relays_;
};

}  // namespace tulle::proxy
