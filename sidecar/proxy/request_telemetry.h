#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "sidecar/proxy/cell_cache.h"
#include "sidecar/proxy/counter_cells.h"
#include "sidecar/proxy/ended.h"
#include "sidecar/proxy/workload.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

// Outbound, the cluster names the service; inbound, the filter chain does.
std::string_view ServiceOf(const EndedDownstream& downstream, std::string_view of_cluster);

// Counts ended requests and relays in the worker's registry, under Istio's metric names and the
// short ones. A request costs one lookup by a key on the stack: no allocation, no lock, also when
// there is no room for another series. Label values come from configuration, verified identities or
// closed lists, never from the text of a request (fault 85). What a peer may still vary (its
// labels, status codes) is counted on its account: beyond its share, in a row for all others of the
// same direction and class of status.
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
    telemetry::Counter* request_messages;   // null: no gRPC is counted here
    telemetry::Counter* response_messages;  // null: no gRPC is counted here
    telemetry::Counter* http_requests;
    telemetry::Histogram* http_duration;
    telemetry::Histogram* route_duration_ms;
  };
  struct RelayCells {
    telemetry::Counter* sent;
    telemetry::Counter* received;
    telemetry::Counter* opened;
    telemetry::Counter* closed;
  };
  struct Labels;
  struct Rows;

  static void Record(const RequestCells& cells, const DecisionRecord& record);
  static void RecordTraced(const RequestCells& cells, const DecisionRecord& record,
                           double milliseconds);
  void CountFailure(const EndedDownstream& downstream, std::string_view service,
                    const Failure& failure, std::string_view policy);
  void CountRetries(const DecisionRecord& record);
  Rows RowsOf(const EndedRequest& request) const;
  static telemetry::LabelValues RouteLabelsOf(const EndedRequest& request, const Labels& labels);
  static Rows OtherRowsOf(const EndedRequest& request);
  RequestCells CellsAt(const Rows& rows, const Rows& other, std::string_view owner, bool grpc);
  RequestCells CellsOf(const EndedRequest& request);
  const RequestCells& OtherCellsOf(const EndedRequest& request);
  RelayCells CellsAt(const telemetry::LabelValues& labels, const telemetry::Account& account);
  RelayCells MakeCells(const EndedRelay& relay, std::string_view owner);
  RelayCells CellsOf(const EndedRelay& relay);
  Labels LabelsOf(const EndedDownstream& downstream, std::string_view service,
                  const Workload& peer) const;

  telemetry::Registry& registry_;
  Workload own_;
  CellCache<RequestCells> requests_;
  CellCache<RelayCells> relays_;
  static constexpr size_t kStatusClasses = 6;                      // 0: no status
  std::optional<RequestCells> other_requests_[2][kStatusClasses];  // by outbound, status class
  std::optional<RelayCells> other_relays_[2];                      // by outbound
  CounterCells<3> failures_;
  CounterCells<2> denied_;
  CounterCells<1> retries_;
  CounterCells<2> retried_requests_;
};

}  // namespace tulle::proxy
