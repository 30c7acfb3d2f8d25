#include "control-plane/cli/https_client.h"

#include <chrono>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "certs/san_matcher.h"
#include "certs/spiffe_names.h"
#include "certs/trust_bundle.h"
#include "control-plane/cli/user_error.h"
#include "net/base/arena.h"
#include "net/http/connection.h"
#include "net/http1/client_connection.h"
#include "net/loop/deadlines.h"
#include "net/loop/uv/uv_loop.h"
#include "net/tls/tls_transports.h"

namespace tulle::cli {
namespace {

constexpr loop::Duration kCallTimeout = std::chrono::seconds(30);
constexpr size_t kMostReplyBytes = 64 << 20;

void AppendEncoded(std::string_view text, bool keeps_slash, std::string* encoded) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~' ||
                          (keeps_slash && c == '/');
    if (is_plain) {
      *encoded += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      *encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
}

// One request and its reply on a connection of their own; stops the loop when it is over.
class Exchange final : public http::StreamEvents, private http::ClientConnectionEvents {
 public:
  Exchange(loop::Loop& loop, const Destination& destination, const ApiCall& call)
      : loop_(loop), deadlines_(loop), arena_(loop.slab()), destination_(destination), call_(call) {
    timeout_ = loop_.NewTimer([this] { Finish({FailureKind::kRequestTimeout}); });
    timeout_->Start(kCallTimeout);
  }
  ~Exchange() override {
    if (connection_ != nullptr && !is_closed_) connection_->Close();
  }

  void Connect(const tls::SecureConnector& connector, const SocketAddress& to) {
    connection_.reset(new http1::ClientConnection(
        loop_, deadlines_, connector.Connect(loop_, to, SocketAddress()),
        static_cast<http::ClientConnectionEvents&>(*this), http1::ClientOptions()));
    connection_->Start();
  }
  const ApiReply& reply() const { return reply_; }
  Failure failure() const { return failure_; }

  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override {
    reply_.status = head.status;
    if (end) return Finish({});
    stream_->Pull(kMostReplyBytes);
  }
  void OnData(Buffer& data, bool end) override {
    reply_.body += data.ToString();
    data.Clear();
    if (end) Finish({});
    if (!end && reply_.body.size() >= kMostReplyBytes) {
      Finish({FailureKind::kInternal, "the response is longer than 64 MiB"});
    }
  }
  void OnTrailers(http::HeaderMap&) override { Finish({}); }
  void OnReset(Failure failure) override { Finish(failure); }
  void OnSendRoom() override {}

 private:
  void OnConnectionReady() override {
    stream_ = &connection_->Open(*this);
    const std::string authority = destination_.server.substr(sizeof("https://") - 1);
    const std::string target = EncodeTarget(call_);
    const std::string authorization = "Bearer " + destination_.credential;
    http::Head head(arena_);
    head.method = call_.method;
    head.scheme = "https";
    head.authority = authority;
    head.path = target;
    head.headers.Add("accept", "application/json");
    if (!destination_.credential.empty()) head.headers.Add("authorization", authorization);
    if (!call_.body.empty()) head.headers.Add("content-type", call_.content_type);
    const bool has_body = !call_.body.empty() || call_.method == "POST";
    if (has_body) head.content_length = static_cast<int64_t>(call_.body.size());
    stream_->SendHeaders(head, call_.body.empty());
    if (call_.body.empty()) return;
    Buffer body(loop_.slab());
    body.Append(call_.body);
    stream_->SendData(body, true);
  }
  void OnStreamRoom() override {}
  void OnConnectionClosed(Failure why) override {
    is_closed_ = true;
    Finish(why ? why : Failure{FailureKind::kUpstreamClosed});
  }

  void Finish(Failure failure) {
    if (is_over_) return;
    is_over_ = true;
    failure_ = failure;
    timeout_->Stop();
    if (stream_ != nullptr) std::exchange(stream_, nullptr)->Detach();
    loop_.Stop();
  }

  loop::Loop& loop_;
  loop::Deadlines deadlines_;
  Arena arena_;
  const Destination& destination_;
  const ApiCall& call_;
  ApiReply reply_;
  Failure failure_;
  http::Stream* stream_ = nullptr;
  bool is_over_ = false;
  bool is_closed_ = false;
  std::unique_ptr<loop::Timer> timeout_;
  std::unique_ptr<http1::ClientConnection> connection_;
};

// Without the advice of the detail, which is for sidecars.
std::string ReasonOf(const Failure& failure) {
  const std::string_view detail = failure.detail;
  if (!detail.empty()) return std::string(detail.substr(0, detail.find(": ")));
  return absl::StrReplaceAll(std::string(failure.facts().cause), {{"_", " "}});
}

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
    auto connector = NewConnector();
    if (!connector.ok()) return connector.status();
    const auto loop = loop::NewUvLoop();
    const auto address = Resolve(*loop);
    if (!address.ok()) return address.status();
    Exchange exchange(*loop, destination_, call);
    exchange.Connect(**connector, *address);
    loop->Run();
    if (exchange.failure()) return ExplainFailure(exchange.failure(), destination_);
    return exchange.reply();
  }
  void SetTrust(const std::string& ca_pem) override { destination_.ca_pem = ca_pem; }

 private:
  absl::StatusOr<std::shared_ptr<const tls::SecureConnector>> NewConnector() const {
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
    return tls::TlsTransports().NewConnector(std::move(spec));
  }

  absl::StatusOr<SocketAddress> Resolve(loop::Loop& loop) const {
    const HostAndPort server = SplitServer(destination_.server);
    if (const auto literal = SocketAddress::Parse(server.host, server.port)) return *literal;
    std::vector<SocketAddress> addresses;
    std::string error;
    const auto resolution = loop.Resolve(server.host, server.port,
                                         [&](std::vector<SocketAddress> found, std::string why) {
                                           addresses = std::move(found);
                                           error = std::move(why);
                                           loop.Stop();
                                         });
    loop.Run();
    if (!addresses.empty()) return addresses.front();
    // What follows is advice that the hint repeats.
    return UserError(error.substr(0, error.find("; ")),
                     "check --server, or the server of the context with `tullectl config view`");
  }

  Destination destination_;
};

}  // namespace

std::string EncodeTarget(const ApiCall& call) {
  std::string target;
  AppendEncoded(call.path, true, &target);
  char mark = '?';
  for (const auto& [name, value] : call.query) {
    target += std::exchange(mark, '&');
    AppendEncoded(name, false, &target);
    target += '=';
    AppendEncoded(value, false, &target);
  }
  return target;
}

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
