// The control plane's ports: gRPC for sidecars (TLS, client certificate optional), REST for people
// (TLS), health and metrics (plaintext), and the admission webhook (TLS) if there is a Kubernetes
// cluster. Its own certificate is issued by the mesh's authority, with SPIFFE ID, DNS names and IP
// addresses, and renewed at half its life and when the roots change. Owner: main, which destroys it
// before the loop and the control plane. Thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "certs/private_key.h"
#include "control-plane/api/prometheus_targets.h"
#include "control-plane/server/control_metrics.h"
#include "control-plane/server/control_plane.h"
#include "control-plane/server/door.h"
#include "control-plane/server/message_timeout_log.h"
#include "control-plane/server/rest_server.h"
#include "control-plane/server/reviewed_tokens.h"
#include "control-plane/server/webhook_port.h"
#include "net/base/socket_address.h"
#include "net/grpc/server.h"
#include "net/loop/loop.h"
#include "net/tls/secure_transports.h"
#include "telemetry/log.h"

namespace tulle::server {

struct FrontendOptions {
  SocketAddress grpc;
  SocketAddress rest;
  SocketAddress health;
  std::optional<SocketAddress> webhook;
  webhook::Settings injection;  // what the webhook adds to pods
  // What /readyz waits for besides the mesh; empty: nothing. Unset: there is nothing else.
  std::function<std::string()> why_not_ready;
  std::function<Leadership()> leadership;                // unset: there is no cluster
  const ReviewedTokens::Counts* token_counts = nullptr;  // null: the same
  // After which sidecars are asked to connect again while there are several replicas. Zero: never.
  loop::Duration connection_age = std::chrono::minutes(30);
  std::vector<std::string> dns_names = {"localhost", "tulle-control"};
  std::vector<std::string> ip_addresses = {"127.0.0.1"};
  std::string data_dir;  // where admin.json is kept up to date (admin_file.h); empty: nowhere
};

class Frontend {
 public:
  // `services` is complete. All references outlive this.
  static absl::StatusOr<std::unique_ptr<Frontend>> Open(const FrontendOptions& options,
                                                        loop::Loop& loop, ControlPlane& plane,
                                                        const grpc::ServiceRegistry& services,
                                                        const tls::SecureTransports& transports,
                                                        certs::KeySource& keys,
                                                        telemetry::Log& log);
  ~Frontend();

  // Whether all addresses can be listened on now. Nothing stays open.
  static absl::Status CheckAddresses(const FrontendOptions& options, loop::Loop& loop,
                                     telemetry::Log& log);

  // So that sidecars connect again, to another replica if this one is not ready.
  void EndSidecarConnections() {
    grpc_server_.CloseWhere([](const Transport&) { return true; });
  }

  // The ports in use, where 0 was asked for.
  SocketAddress grpc_address() const;
  SocketAddress rest_address() const;
  SocketAddress health_address() const;

 private:
  Frontend(const FrontendOptions& options, loop::Loop& loop, ControlPlane& plane,
           const grpc::ServiceRegistry& services, const tls::SecureTransports& transports,
           certs::KeySource& keys, telemetry::Log& log);

  absl::Status RenewCertificate();
  absl::Status OpenDoors(const FrontendOptions& options);
  absl::Status Listen(const FrontendOptions& options);
  void SaveAdminFile();
  RestAnswer AnswerReadiness();
  std::string MetricsText();
  RestAnswer AnswerHealth(const api::ApiRequest& request);

  const FrontendOptions options_;
  loop::Loop& loop_;
  ControlPlane& plane_;
  const tls::SecureTransports& transports_;
  certs::PrivateKey key_;
  telemetry::Log& log_;
  // Their guests are connections of the servers, which are destroyed first.
  std::unique_ptr<Door> grpc_door_;
  std::unique_ptr<Door> rest_door_;
  std::unique_ptr<Door> health_door_;
  std::unique_ptr<WebhookPort> webhook_;  // null: there is no cluster
  MessageTimeoutLog message_timeouts_;
  grpc::Server grpc_server_;
  RestServer rest_server_;
  RestServer health_server_;
  api::PrometheusPage targets_;
  std::unique_ptr<loop::Timer> renewal_;
};

}  // namespace tulle::server
