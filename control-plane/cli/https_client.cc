#include "control-plane/cli/https_client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/san_matcher.h"
#include "certs/spiffe_names.h"
#include "certs/trust_bundle.h"
#include "control-plane/cli/https_call.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

struct HostAndPort {
  std::string host;
  uint16_t port = 0;
};

// The format has been checked by ResolveDestination.
HostAndPort SplitServer(const std::string& server) {
  const std::string authority = server.substr(sizeof("https://") - 1);
  const size_t colon = authority.rfind(':');
  std::string host = authority.substr(0, colon);
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  return {host, static_cast<uint16_t>(std::stoi(authority.substr(colon + 1)))};
}

class HttpsClient final : public ApiClient {
 public:
  explicit HttpsClient(Destination destination) : destination_(std::move(destination)) {}

  absl::StatusOr<ApiReply> Send(const ApiCall& call) override {
    auto spec = NewSpec();
    if (!spec.ok()) return spec.status();
    const HostAndPort at = SplitServer(destination_.server);
    const HttpsServer server{at.host, at.port, destination_.server.substr(sizeof("https://") - 1),
                             *std::move(spec)};
    HttpsRequest request{
        call.method, EncodeTarget(call), {{"accept", "application/json"}}, call.body};
    if (!destination_.credential.empty())
      request.headers.emplace_back("authorization", "Bearer " + destination_.credential);
    if (!call.body.empty()) request.headers.emplace_back("content-type", call.content_type);
    HttpsOutcome outcome = CallHttps(server, request);
    if (!outcome.unknown_host.empty()) {
      return UserError(outcome.unknown_host,
                       "check --server, or the server of the context with `tullectl config view`");
    }
    if (outcome.failure) return ExplainFailure(outcome.failure, destination_);
    return std::move(outcome.reply);
  }
  void SetTrust(const std::string& ca_pem) override { destination_.ca_pem = ca_pem; }

 private:
  absl::StatusOr<tls::ClientTlsSpec> NewSpec() const {
    auto trust = certs::TrustBundle::AnyDomainFromPem(destination_.ca_pem);
    if (!trust.ok()) {
      return UserError(absl::StrCat("no CA certificate found in ", destination_.ca_source, ": ",
                                    std::string(trust.status().message())),
                       "pass a PEM file with --ca-file");
    }
    tls::ClientTlsSpec spec;
    spec.trust = std::make_shared<const certs::TrustBundle>(*std::move(trust));
    auto name = certs::SanMatcher::Make(certs::SanType::kUri, certs::SanMatch::kSuffix,
                                        certs::kControlPlanePath);
    if (!name.ok()) return name.status();
    spec.san_matchers = {*std::move(name)};
    spec.alpn = {"http/1.1"};
    return spec;
  }

  Destination destination_;
};

}  // namespace

absl::Status ExplainFailure(const Failure& failure, const Destination& destination) {
  constexpr char kUseApi[] = "use the --api address of tulle-control (default port 15016)";
  const std::string& server = destination.server;
  const std::string reason = ReasonOf(failure);
  const FailureKind kind = failure.kind;
  if (kind == FailureKind::kConnectRefused || kind == FailureKind::kConnectTimeout) {
    return UserError(absl::StrCat("cannot connect to ", server, ": ", reason),
                     "is tulle-control running? Start it with `tulle-control --data-dir DIR`, or "
                     "select another one with --server or --context");
  }
  if (kind == FailureKind::kPeerRefused) {
    return UserError(
        absl::StrCat("cannot verify ", server, ": ", reason, " (CA: ", destination.ca_source, ")"),
        "use the CA of this control plane (admin.json in its data directory, or "
        "--ca-file FILE), and its --api address");
  }
  if (kind == FailureKind::kTlsFailed) {
    return UserError(absl::StrCat("TLS handshake with ", server, " failed: ", reason), kUseApi);
  }
  if (kind == FailureKind::kUpstreamProtocol) {
    return UserError(absl::StrCat(server, " is not the API of tulle-control: ", reason), kUseApi);
  }
  if (kind == FailureKind::kRequestTimeout) {
    return UserError(absl::StrCat(server, " did not respond within 30 s"),
                     "check the log of tulle-control and the network");
  }
  return UserError(absl::StrCat("connection to ", server, " failed: ", reason),
                   "try again; if the problem persists, check the log of tulle-control");
}

std::unique_ptr<ApiClient> NewHttpsClient(const Destination& destination) {
  return std::make_unique<HttpsClient>(destination);
}

}  // namespace tulle::cli
