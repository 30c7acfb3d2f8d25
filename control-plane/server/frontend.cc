#include "control-plane/server/frontend.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/certificate.h"
#include "certs/trust_bundle.h"
#include "control-plane/dashboard/page.h"
#include "control-plane/server/admin_file.h"
#include "control-plane/server/grpc_services.h"
#include "net/http2/options.h"

namespace tulle::server {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr std::chrono::seconds kRetryRenewal{30};

RestAnswer PageAnswer(const api::ApiRequest& request) {
  dashboard::PageReply reply =
      dashboard::AnswerPage(request.method, request.path, request.if_none_match);
  RestAnswer answer{reply.status, std::string(reply.body), std::string(reply.media_type)};
  answer.headers = std::move(reply.headers);
  return answer;
}

}  // namespace

namespace {

// Connections without an identity: of sidecars that join or whose handshake is not done, of people
// whose request has not come, of whoever reads health and metrics, which takes no identity at all.
constexpr GuestList::Limits kSidecarGuests{2048};
constexpr GuestList::Limits kApiGuests{128};
constexpr GuestList::Limits kHealthGuests{64, loop::Duration{0}};

// Until it has an identity a client may ask for a certificate, and for nothing that takes more.
grpc::ServerOptions GrpcOptions(loop::Duration connection_age, ControlPlane& plane,
                                MessageTimeoutLog& timeouts) {
  http2::Options strangers;
  strangers.limits.head_bytes = 8 * 1024;
  strangers.limits.trailer_bytes = 1024;
  strangers.limits.concurrent_streams = 2;
  strangers.limits.stream_window = 16 * 1024;
  strangers.limits.send_buffer = 32 * 1024;
  strangers.connection_window = 64 * 1024;
  grpc::ServerOptions options;
  options.without_peer = strangers;
  options.connection_age = connection_age;
  options.may_end_connection = [&plane] { return plane.view().Replicas() > 1; };
  options.admit = [&plane](const http::Head& head, const Transport& transport) {
    return AdmitCall(plane, head, transport);
  };
  options.on_message_timeout = [&timeouts](const http::Head& head, const Transport& transport) {
    timeouts.Note(head, transport);
  };
  return options;
}

RestAnswer AnswerOf(api::ApiResponse response) {
  RestAnswer answer{response.status, std::move(response.body), "application/json",
                    std::move(response.more)};
  if (response.later) {
    answer.later = [later = std::move(response.later)](std::function<void(RestAnswer)> respond) {
      later([respond = std::move(respond)](api::ApiResponse late) {
        respond(AnswerOf(std::move(late)));
      });
    };
  }
  return answer;
}

}  // namespace

Frontend::Frontend(const FrontendOptions& options, loop::Loop& loop, ControlPlane& plane,
                   const grpc::ServiceRegistry& services, const tls::SecureTransports& transports,
                   certs::KeySource& keys, telemetry::Log& log)
    : options_(options),
      loop_(loop),
      plane_(plane),
      transports_(transports),
      key_(keys.Generate()),
      log_(log),
      message_timeouts_(loop, log),
      grpc_server_(loop, services, GrpcOptions(options.connection_age, plane, message_timeouts_)),
      rest_server_(
          loop,
          [this](const api::ApiRequest& head) {
            if (dashboard::IsPagePath(head.path)) return RestVerdict();
            api::ApiVerdict verdict = plane_.api().Admit(head);
            if (!verdict.refusal) return RestVerdict{std::nullopt, verdict.is_identified};
            RestVerdict refused{RestAnswer{verdict.refusal->status, verdict.refusal->body}};
            if (verdict.awaits_account) {
              refused.ask = [this, token = head.account_token](const std::string& source,
                                                               std::function<void()> again) {
                plane_.api().accounts()->Ask(source, token, std::move(again));
              };
            }
            return refused;
          },
          [this](const api::ApiRequest& request) {
            if (dashboard::IsPagePath(request.path)) return PageAnswer(request);
            return AnswerOf(plane_.HandleApi(request));
          }),
      health_server_(
          loop, [](const api::ApiRequest&) { return RestVerdict(); },
          [this](const api::ApiRequest& request) { return AnswerHealth(request); }) {}

Frontend::~Frontend() {
  plane_.api().SetMetrics(nullptr);
  plane_.ForgetRootsObservers();
}

absl::StatusOr<std::unique_ptr<Frontend>> Frontend::Open(const FrontendOptions& options,
                                                         loop::Loop& loop, ControlPlane& plane,
                                                         const grpc::ServiceRegistry& services,
                                                         const tls::SecureTransports& transports,
                                                         certs::KeySource& keys,
                                                         telemetry::Log& log) {
  std::unique_ptr<Frontend> frontend(
      new Frontend(options, loop, plane, services, transports, keys, log));
  const absl::Status status = frontend->OpenDoors(options);
  if (!status.ok()) return status;
  return frontend;
}

absl::Status Frontend::CheckAddresses(const FrontendOptions& options, loop::Loop& loop,
                                      telemetry::Log& log) {
  const auto refuse = [](std::unique_ptr<GuestTransport>) {};
  Door grpc("sidecars", loop, log, kSidecarGuests, refuse);
  Door rest("api", loop, log, kApiGuests, refuse);
  Door health("health", loop, log, kHealthGuests, refuse);
  absl::Status status = grpc.Listen(options.grpc);
  if (status.ok()) status = rest.Listen(options.rest);
  if (status.ok()) status = health.Listen(options.health);
  if (!status.ok() || !options.webhook) return status;
  return Door("webhook", loop, log, kHealthGuests, refuse).Listen(*options.webhook);
}

absl::Status Frontend::OpenDoors(const FrontendOptions& options) {
  grpc_door_ = std::make_unique<Door>(
      "sidecars", loop_, log_, kSidecarGuests,
      [this](std::unique_ptr<GuestTransport> guest) { grpc_server_.Adopt(std::move(guest)); });
  rest_door_ = std::make_unique<Door>("api", loop_, log_, kApiGuests,
                                      [this](std::unique_ptr<GuestTransport> transport) {
                                        GuestTransport& guest = *transport;
                                        rest_server_.Adopt(std::move(transport), &guest);
                                      });
  health_door_ = std::make_unique<Door>("health", loop_, log_, kHealthGuests,
                                        [this](std::unique_ptr<GuestTransport> guest) {
                                          health_server_.Adopt(std::move(guest), nullptr);
                                        });
  if (options.webhook) webhook_ = std::make_unique<WebhookPort>(loop_, log_, options.injection);
  const auto renew = [this] {
    const absl::Status status = RenewCertificate();
    if (status.ok()) return SaveAdminFile();
    log_.Write(LogLevel::kError, LogComponent::kCa,
               absl::StrCat("cannot renew tulle-control's own certificate: ", status.ToString()));
    renewal_->Start(kRetryRenewal);
  };
  renewal_ = loop_.NewTimer(renew);
  absl::Status status = RenewCertificate();
  if (status.ok()) status = Listen(options);
  if (!status.ok()) return status;
  plane_.view().SetGrpcPort(grpc_address().port());
  plane_.api().SetMetrics([this] { return MetricsText(); });
  plane_.AddRootsObserver([this, renew] {
    renew();
    grpc_server_.CloseWhere(
        [this](const Transport& transport) { return plane_.admission().IsRevoked(transport); });
  });
  SaveAdminFile();
  return absl::OkStatus();
}

absl::Status Frontend::Listen(const FrontendOptions& options) {
  absl::Status status = grpc_door_->Listen(options.grpc);
  if (status.ok()) status = rest_door_->Listen(options.rest);
  if (status.ok()) status = health_door_->Listen(options.health);
  if (status.ok() && webhook_ != nullptr) status = webhook_->Listen(*options.webhook);
  return status;
}

void Frontend::SaveAdminFile() {
  if (options_.data_dir.empty()) return;
  const absl::Status status =
      WriteAdminFile(options_.data_dir, rest_address(), plane_.authority().trust_bundle_pem());
  if (!status.ok()) log_.Write(LogLevel::kError, LogComponent::kCa, status.ToString());
}

absl::Status Frontend::RenewCertificate() {
  const auto issued =
      plane_.authority().IssueOwn(key_, options_.dns_names, options_.ip_addresses, plane_.Now());
  if (!issued.ok()) return issued.status();
  auto chain = certs::ParsePemCertificates(issued->certificate_pem);
  if (!chain.ok()) return chain.status();
  auto trust =
      certs::TrustBundle::FromPem(plane_.authority().trust_domain(), issued->trust_bundle_pem);
  if (!trust.ok()) return trust.status();
  if (const std::string& lists = plane_.authority().revocations_pem(); !lists.empty()) {
    const absl::Status added = trust->AddRevocations(lists);
    if (!added.ok()) return added;
  }
  tls::ServerTlsSpec spec;
  spec.identity = std::make_shared<tls::TlsIdentity>(tls::TlsIdentity{*std::move(chain), key_});
  spec.require_client_certificate = false;
  spec.alpn = {"http/1.1"};
  auto rest = transports_.NewAcceptor(spec);
  if (!rest.ok()) return rest.status();
  spec.trust = std::make_shared<certs::TrustBundle>(*std::move(trust));
  spec.alpn = {"h2"};
  auto grpc = transports_.NewAcceptor(spec);
  if (!grpc.ok()) return grpc.status();
  if (webhook_ != nullptr) webhook_->SetAcceptor(*rest);
  rest_door_->SetAcceptor(*std::move(rest));
  grpc_door_->SetAcceptor(*std::move(grpc));
  const int64_t half_life = (issued->not_after - plane_.Now()) / 2;
  renewal_->Start(std::chrono::seconds(std::max<int64_t>(half_life, 1)));
  return absl::OkStatus();
}

RestAnswer Frontend::AnswerHealth(const api::ApiRequest& request) {
  if (request.method != "GET" && request.method != "HEAD") {
    return {405, "method not allowed: use GET\n", "text/plain"};
  }
  if (request.path == "/healthz") return {200, "ok\n", "text/plain"};
  if (request.path == "/readyz") return AnswerReadiness();
  if (request.path == "/metrics") {
    return {200, MetricsText(), "text/plain; version=0.0.4"};
  }
  if (request.path == "/prometheus/targets") {
    const MeshBuilder& builder = plane_.mesh_builder();
    return {200, targets_.Text(builder.mesh(), builder.versions()), "application/json"};
  }
  return {404, "not found; see /healthz, /readyz, /metrics and /prometheus/targets\n",
          "text/plain"};
}

std::string Frontend::MetricsText() {
  return ControlMetricsText(
      plane_, {grpc_server_.connections(), grpc_server_.message_timeouts()},
      {grpc_door_.get(), rest_door_.get(), health_door_.get()}, webhook_.get(),
      options_.leadership ? std::optional(options_.leadership()) : std::nullopt,
      options_.token_counts);
}

RestAnswer Frontend::AnswerReadiness() {
  std::string why;
  if (!plane_.is_synced()) {
    why = "waiting for the first listing of Services, pods, routes and policies; see the log";
  } else if (options_.why_not_ready) {
    why = options_.why_not_ready();
  }
  if (why.empty()) return {200, "ok\n", "text/plain"};
  return {503, "not ready: " + why + "\n", "text/plain"};
}

SocketAddress Frontend::grpc_address() const { return grpc_door_->address(); }
SocketAddress Frontend::rest_address() const { return rest_door_->address(); }
SocketAddress Frontend::health_address() const { return health_door_->address(); }

}  // namespace tulle::server
