#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "sidecar/proxy/counter_cells.h"
#include "sidecar/proxy/ended.h"
#include "sidecar/proxy/workload.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

// Outbound, the cluster names the service; inbound, the filter chain does.
std::string_view ServiceOf(const EndedDownstream& downstream, std::string_view of_cluster);

// Counts ended requests and relays in the worker's registry, under Istio's metric names and the
// short ones. In steady state a request costs one lookup by a key on the stack: no allocation, no
// lock. Label values come from configuration, verified identities or closed lists, never from the
// text of a request (fault 85).
//
// Owner: Worker. Thread: the worker's.
class RequestTelemetry {
 public:
  RequestTelemetry(telemetry::Registry& registry, Workload own);

  // With our first certificate, or a new one. Existing rows keep their labels.
  void SetOwnWorkload(Workload own);
  // Forgets all cells: the next request of each kind looks up its rows.
  void DropCells();
  void Count(const EndedRequest& request);
  void CountOpened(const EndedRelay& relay);
  void Count(const EndedRelay& relay);

 private:
  struct RequestCells {
    telemetry::Counter* requests;
    telemetry::Histogram* duration_ms;
    telemetry::Histogram* request_bytes;
    telemetry::Histogram* response_bytes;
    telemetry::Counter* request_messages;   // null: not gRPC
    telemetry::Counter* response_messages;  // null: not gRPC
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

  static void Record(const RequestCells& cells, const DecisionRecord& record);
  static void RecordTraced(const RequestCells& cells, const DecisionRecord& record,
                           double milliseconds);
  void CountDenied(const EndedDownstream& downstream, std::string_view policy);
  void CountRetries(const DecisionRecord& record);
  RequestCells MakeCells(const EndedRequest& request);
  RelayCells MakeCells(const EndedRelay& relay);
  RelayCells CellsOf(const EndedRelay& relay);
  Labels LabelsOf(const EndedDownstream& downstream, std::string_view service,
                  const Workload& peer) const;

  // As many keys as a family has rows; further ones are looked up in the registry each time.
  static constexpr size_t kMostKeys = telemetry::Registry::kRowsPerFamily;

  telemetry::Registry& registry_;
  Workload own_;
  absl::flat_hash_map<std::string, RequestCells> requests_;
  absl::flat_hash_map<std::string, RelayCells> relays_;
  CounterCells<2> denied_;
  CounterCells<1> retries_;
  CounterCells<2> retried_requests_;
};

}  // namespace tulle::proxy
