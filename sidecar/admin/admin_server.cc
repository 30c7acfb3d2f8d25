// Serves the admin pages over HTTP/1.1 connections.
#include "sidecar/admin/admin_server.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/base/arena.h"
#include "net/http1/server_connection.h"
#include "net/socket/plain_transport.h"

namespace tulle::admin {
namespace {

http1::ServerOptions Options() {
  http1::ServerOptions options;
  options.limits.head_bytes = 16 * 1024;
  options.limits.line_bytes = 8 * 1024;
  options.limits.header_count = 64;
  options.idle_timeout = std::chrono::minutes(1);
  return options;
}

}  // namespace

// One request. The response may be ready after the peer has closed. Owner: AdminConnection while
// the stream exists, afterwards the response callback.
class AdminExchange final : public http::StreamEvents {
 public:
  AdminExchange(AdminPages& pages, http::Stream& stream, Slab& slab)
      : pages_(pages), stream_(&stream), slab_(slab), arena_(slab) {}

  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool) override { data.Clear(); }
  void OnTrailers(http::HeaderMap&) override {}
  void OnReset(Failure) override { LeaveStream(); }
  void OnSendRoom() override {}

  bool waits() const { return stream_ != nullptr; }
  void LeaveStream() {
    if (http::Stream* stream = std::exchange(stream_, nullptr)) stream->Detach();
  }
  std::weak_ptr<AdminExchange> self;

 private:
  void Send(const AdminResponse& answer);

  AdminPages& pages_;
  http::Stream* stream_;
  Slab& slab_;
  Arena arena_;
  bool head_only_ = false;
};

void AdminExchange::OnHeaders(http::Head& head, bool) {
  head_only_ = head.method == "HEAD";
  const http::Header* origin = head.headers.Find("origin");
  const http::Header* site = head.headers.Find("sec-fetch-site");
  AdminRequest request{head.method, head.path, head.authority};
  if (const http::Header* accept = head.headers.Find("accept")) request.accept = accept->value;
  if (const http::Header* accept = head.headers.Find("accept-encoding")) {
    request.accept_encoding = accept->value;
  }
  request.cross_site = (origin != nullptr && head.method == "POST") ||
                       (site != nullptr && site->value != "same-origin" && site->value != "none");
  pages_.Answer(request, [weak = self](AdminResponse answer) {
    if (std::shared_ptr<AdminExchange> exchange = weak.lock()) exchange->Send(answer);
  });
}

void AdminExchange::Send(const AdminResponse& answer) {
  if (stream_ == nullptr) return;
  http::Head head(arena_);
  head.status = answer.status;
  head.content_length = static_cast<int64_t>(answer.body.size());
  head.headers.Set(http::HeaderId::kContentType, arena_.Copy(answer.type));
  head.headers.Set(http::HeaderId::kContentLength, arena_.Copy(std::to_string(answer.body.size())));
  head.headers.Add("cache-control", "no-cache, max-age=0");
  head.headers.Add("x-content-type-options", "nosniff");
  if (!answer.allow.empty()) head.headers.Add("allow", arena_.Copy(answer.allow));
  if (!answer.vary.empty()) head.headers.Add("vary", arena_.Copy(answer.vary));
  if (!answer.encoding.empty()) {
    head.headers.Add("content-encoding", arena_.Copy(answer.encoding));
  }
  const bool end = head_only_ || answer.body.empty();
  stream_->SendHeaders(head, end);
  if (!end) {
    Buffer body(slab_);
    body.Append(answer.body);
    stream_->SendData(body, true);
  }
  LeaveStream();
}

// Owner: AdminServer, until OnConnectionClosed hands it to DeferDelete.
class AdminConnection final : public http::ServerConnectionEvents,
                              public Deletable,
                              public ListNode<AdminConnection> {
 public:
  AdminConnection(AdminServer& server, std::unique_ptr<loop::Socket> socket)
      : server_(server),
        codec_(server.loop_, server.deadlines_,
               NewAcceptedTransport(server.loop_, std::move(socket)), *this, Options()) {}
  ~AdminConnection() override { Leave(); }

  void Start() {
    Buffer none(server_.loop_.slab());
    codec_.Start(none);
  }
  void Close() {
    Leave();
    codec_.Close();
  }
  bool waits_for_answer() const { return exchange_ != nullptr && exchange_->waits(); }
  http::StreamEvents* OnStream(http::Stream& stream) override {
    Leave();
    exchange_ = std::make_shared<AdminExchange>(*server_.pages_, stream, server_.loop_.slab());
    exchange_->self = exchange_;
    return exchange_.get();
  }
  void OnConnectionClosed(Failure) override { server_.Remove(*this); }

 private:
  void Leave() {
    if (exchange_ != nullptr) exchange_->LeaveStream();
    exchange_.reset();
  }

  AdminServer& server_;
  std::shared_ptr<AdminExchange> exchange_;  // of the one open stream, or the last
  http1::ServerConnection codec_;
};

AdminServer::AdminServer(loop::Loop& loop, AdminSource& source)
    : loop_(loop), source_(source), deadlines_(loop) {}

AdminServer::~AdminServer() {
  listener_.reset();
  while (!connections_.empty()) {
    AdminConnection& connection = connections_.front();
    connection.Close();
    Remove(connection);
  }
}

absl::Status AdminServer::Listen(const SocketAddress& address, bool named) {
  const std::string text = address.ToString();
  if (!address.is_loopback()) {
    if (!named) {
      return absl::InvalidArgumentError(
          absl::StrCat("admin address ", text,
                       " is not a loopback address: anyone who reaches it controls this process; "
                       "use 127.0.0.1, or set the "
                       "address in the bootstrap's admin.address if this is intended"));
    }
    if (source_.log != nullptr) {
      source_.log->Write(
          telemetry::LogLevel::kWarning, telemetry::LogComponent::kAdmin,
          std::string("admin listens on ") + text +
              ", which is not a loopback address: anyone who reaches it can read the "
              "configuration and stop this process; bind 127.0.0.1 instead");
    }
  }
  pages_ = std::make_unique<AdminPages>(source_, address.is_loopback());
  loop::ListenOptions options;
  options.reuse_port = false;  // a second process must fail rather than share the port
  int error = 0;
  listener_ = loop_.Listen(address, options, *this, &error);
  if (listener_ != nullptr) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "admin cannot listen on ", text, ": ", std::strerror(-error),
      error == -EADDRINUSE ? "; stop the program that uses the port, or choose another port" : ""));
}

SocketAddress AdminServer::address() const {
  return listener_ == nullptr ? SocketAddress() : listener_->LocalAddress();
}

void AdminServer::OnAccept(std::unique_ptr<loop::Socket> socket) {
  if (open_ >= kMaxConnections) {
    // The oldest that asks nothing makes way: others cannot keep kubelet out by such connections.
    AdminConnection* oldest = nullptr;
    connections_.ForEach([&oldest](AdminConnection& each) {
      if (oldest == nullptr && !each.waits_for_answer()) oldest = &each;
    });
    if (oldest == nullptr) return;  // closes
    oldest->Close();
    Remove(*oldest);
  }
  auto* connection = new AdminConnection(*this, std::move(socket));
  connections_.PushBack(*connection);
  ++open_;
  connection->Start();
}

void AdminServer::Remove(AdminConnection& connection) {
  connection.Unlink();
  --open_;
  loop_.DeferDelete(std::unique_ptr<Deletable>(&connection));
}

}  // namespace tulle::admin
