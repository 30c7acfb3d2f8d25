#include "control-plane/cli/https_call.h"

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_replace.h"
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

// One request and its reply on a connection of their own; stops the loop when it is over.
class Exchange final : public http::StreamEvents, private http::ClientConnectionEvents {
 public:
  Exchange(loop::Loop& loop, const HttpsServer& server, const HttpsRequest& request)
      : loop_(loop), deadlines_(loop), arena_(loop.slab()), server_(server), request_(request) {
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
    http::Head head(arena_);
    head.method = request_.method;
    head.scheme = "https";
    head.authority = server_.authority;
    head.path = request_.target;
    for (const auto& [name, value] : request_.headers) head.headers.Add(name, value);
    const bool has_body = !request_.body.empty() || request_.method == "POST";
    if (has_body) head.content_length = static_cast<int64_t>(request_.body.size());
    stream_->SendHeaders(head, request_.body.empty());
    if (request_.body.empty()) return;
    Buffer body(loop_.slab());
    body.Append(request_.body);
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
  const HttpsServer& server_;
  const HttpsRequest& request_;
  ApiReply reply_;
  Failure failure_;
  http::Stream* stream_ = nullptr;
  bool is_over_ = false;
  bool is_closed_ = false;
  std::unique_ptr<loop::Timer> timeout_;
  std::unique_ptr<http1::ClientConnection> connection_;
};

std::vector<SocketAddress> Resolve(loop::Loop& loop, const HttpsServer& server,
                                   std::string* error) {
  if (const auto literal = SocketAddress::Parse(server.host, server.port)) return {*literal};
  std::vector<SocketAddress> addresses;
  const auto resolution = loop.Resolve(server.host, server.port,
                                       [&](std::vector<SocketAddress> found, std::string why) {
                                         addresses = std::move(found);
                                         *error = std::move(why);
                                         loop.Stop();
                                       });
  loop.Run();
  return addresses;
}

}  // namespace

std::string ReasonOf(const Failure& failure) {
  const std::string_view detail = failure.detail;
  if (!detail.empty()) return std::string(detail.substr(0, detail.find(": ")));
  return absl::StrReplaceAll(std::string(failure.facts().cause), {{"_", " "}});
}

HttpsOutcome CallHttps(const HttpsServer& server, const HttpsRequest& request) {
  HttpsOutcome outcome;
  auto connector = tls::TlsTransports().NewConnector(server.tls);
  if (!connector.ok()) {
    outcome.failure = {FailureKind::kTlsFailed};
    return outcome;
  }
  const auto loop = loop::NewUvLoop();
  std::string error;
  const auto addresses = Resolve(*loop, server, &error);
  if (addresses.empty()) {
    // What follows is advice that the caller's own hint repeats.
    outcome.unknown_host = error.substr(0, error.find("; "));
    outcome.failure = {FailureKind::kConnectTimeout};
    return outcome;
  }
  Exchange exchange(*loop, server, request);
  exchange.Connect(**connector, addresses.front());
  loop->Run();
  outcome.reply = exchange.reply();
  outcome.failure = exchange.failure();
  return outcome;
}

}  // namespace tulle::cli
