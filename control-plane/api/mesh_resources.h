// What the API shows of the running mesh: /v1/services, /v1/hosts, /v1/prometheus/targets,
// /v1/proxies, /v1/traces, /v1/traffic and /v1/events; and /v1/backup. For this package only.
// Owner: the Api; the parts outlive it. Thread: the Api's.
#pragma once

#include <string>
#include <utility>

#include "control-plane/api/route.h"

namespace tulle::api {

// "healthy", "unhealthy" or "draining".
const char* HealthText(discovery::Health health);

class MeshResource {
 public:
  explicit MeshResource(const ControlPlaneView* view) : view_(view) {}

  Routes routes();

 private:
  ApiResponse Services(const Call& call);
  ApiResponse Hosts(const Call& call);
  ApiResponse MetricsTargets(const Call& call);

  const ControlPlaneView* view_;
};

class ProxyResource {
 public:
  explicit ProxyResource(const ControlPlaneView* view) : view_(view) {}

  Routes routes();

 private:
  ApiResponse List(const Call& call);
  ApiResponse Get(const Call& call);
  ApiResponse Config(const Call& call);

  const ControlPlaneView* view_;
};

class TraceResource {
 public:
  // Null: traces are not kept.
  explicit TraceResource(const insight::TraceRing* traces) : traces_(traces) {}

  Routes routes();

 private:
  ApiResponse List(const Call& call);
  ApiResponse Get(const Call& call);

  const insight::TraceRing* traces_;
};

class EventResource {
 public:
  // Null: nothing is known.
  explicit EventResource(const insight::EventBook* events) : events_(events) {}

  Routes routes();

 private:
  ApiResponse List(const Call& call);

  const insight::EventBook* events_;
};

class TrafficResource {
 public:
  // Null: nothing is known of traffic.
  explicit TrafficResource(const insight::TrafficBook* traffic) : traffic_(traffic) {}

  Routes routes();

 private:
  ApiResponse Links(const Call& call);
  ApiResponse RouteLinks(const Call& call);
  ApiResponse History(const Call& call);

  const insight::TrafficBook* traffic_;
};

class BackupResource {
 public:
  // `store` may be null: then there are no backups.
  BackupResource(store::Store* store, const ca::MeshAuthority* authority, std::string version)
      : store_(store), authority_(authority), version_(std::move(version)) {}

  Routes routes();

 private:
  ApiResponse Create(const Call& call);

  store::Store* store_;
  const ca::MeshAuthority* authority_;
  std::string version_;
};

}  // namespace tulle::api
