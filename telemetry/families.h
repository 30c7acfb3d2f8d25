#pragma once

#include <span>

#include "telemetry/metrics.h"

// Tulle's metrics with their final names and labels. Sources: Istio's standard metrics, so that
// existing dashboards work; Prometheus' naming rules for our own.
namespace tulle::telemetry {

// Order of the labels of istio_requests_total and the HTTP histograms.
enum IstioLabel : size_t {
  kReporter,
  kSourceWorkload,
  kSourceWorkloadNamespace,
  kSourcePrincipal,
  kSourceApp,
  kSourceVersion,
  kSourceCluster,
  kSourceCanonicalService,
  kSourceCanonicalRevision,
  kDestinationWorkload,
  kDestinationWorkloadNamespace,
  kDestinationPrincipal,
  kDestinationApp,
  kDestinationVersion,
  kDestinationCluster,
  kDestinationCanonicalService,
  kDestinationCanonicalRevision,
  kDestinationService,
  kDestinationServiceName,
  kDestinationServiceNamespace,
  kRequestProtocol,
  kResponseCode,
  kGrpcResponseStatus,
  kResponseFlags,
  kConnectionSecurityPolicy,
  kIstioLabelCount,
};

// Order of the labels of kRouteRequestDuration.
struct RouteLabel {
  enum : size_t {
    kReporter,
    kSourcePrincipal,
    kDestinationPrincipal,
    kDestinationService,
    kProtocol,
    kResponseCode,
    kGrpcStatus,
    kResponseFlags,
    kSecurityPolicy,
    kRoute,
    kCalledService,
    kCount,
  };
};

extern const FamilySpec kIstioRequests;
extern const FamilySpec kIstioRequestDuration;
extern const FamilySpec kIstioRequestBytes;
extern const FamilySpec kIstioResponseBytes;
extern const FamilySpec kIstioRequestMessages;   // of gRPC
extern const FamilySpec kIstioResponseMessages;  // of gRPC
// The same labels; the codes are "unknown".
extern const FamilySpec kIstioTcpSent;
extern const FamilySpec kIstioTcpReceived;
extern const FamilySpec kIstioTcpOpened;
extern const FamilySpec kIstioTcpClosed;

// What the control plane is told of requests (tulle.insight.v1): Istio's labels have no route. Not
// scraped, so that scrapes do not grow with the number of routes.
extern const FamilySpec kRouteRequestDuration;

extern const FamilySpec kHttpRequests;         // direction, service, method, status
extern const FamilySpec kHttpRequestDuration;  // direction, service

extern const FamilySpec kFailures;  // direction, service, cause

extern const FamilySpec kIstioBuild;         // component, tag
extern const FamilySpec kBuild;              // version, revision
extern const FamilySpec kXdsConnected;       // control_plane
extern const FamilySpec kXdsUpdates;         // type, result (accepted, rejected)
extern const FamilySpec kCertificateExpiry;  // name, spiffe_id
extern const FamilySpec kConfigWarnings;     // no labels: warnings of the configuration in force
extern const FamilySpec kUpstreamLimit;      // cluster, limit, kind (used, allowed)
extern const FamilySpec kBreakerState;  // service, cluster, endpoint: 0 closed, 1 half open, 2 open
extern const FamilySpec kBreakerOpened;     // service, cluster, cause
extern const FamilySpec kEndpointChecked;   // service, cluster, endpoint: 1 its health checks pass
extern const FamilySpec kAccessLogDropped;  // reason
extern const FamilySpec kAccessLogSent;     // no labels
extern const FamilySpec kDownstreamAccepted;  // no labels
extern const FamilySpec kDownstreamClosed;    // no labels
extern const FamilySpec kDownstreamRefused;   // reason
extern const FamilySpec kProtocolDetections;  // verdict
extern const FamilySpec kDownstreamBroken;    // cause, service
extern const FamilySpec kDenied;              // policy, service
extern const FamilySpec kRetries;             // service
extern const FamilySpec kRetriedRequests;     // service, result
extern const FamilySpec kListenerFailed;      // listener: 1 while it cannot listen
extern const FamilySpec kRegistered;          // no labels: 1 while the control plane has a lease
extern const FamilySpec kMirrored;            // service, result (2xx, ..., or the cause)
extern const FamilySpec kSpansSent;           // no labels
extern const FamilySpec kSpansDropped;        // reason
extern const FamilySpec kInsightDropped;      // no labels: answers to the control plane
extern const FamilySpec kWorkerMemory;        // worker: bytes reserved by its slab
extern const FamilySpec kMemoryUsed;          // no labels: bytes of the process's control group
extern const FamilySpec kMemoryLimit;         // no labels: what it may use
extern const FamilySpec kMemoryPressure;      // no labels: 0 none, 1 short, 2 critical
extern const FamilySpec kStalls;              // thread: times it was unresponsive for 200 ms

// The families whose labels name peers, services or policies: their rows expire (RetireIdle).
std::span<const FamilySpec* const> ExpiringFamilies();

}  // namespace tulle::telemetry
