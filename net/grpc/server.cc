// Connections and calls of a gRPC server; dispatches calls to handlers.
#include "net/grpc/server.h"

#include <optional>
#include <string>
#include <utility>

#include "net/base/arena.h"
#include "net/base/deletable.h"
#include "net/grpc/message_inlet.h"
#include "net/http/connection.h"
#include "net/http2/connection.h"

namespace tulle::grpc {

using http::HeaderId;

class Server::Call final : public http::StreamEvents,
                           public ServerCall,
                           public loop::TurnEnd,
                           public ListNode<Call>,
                           public Deletable {
 public:
  Call(Server& server, Connection& connection, http::Stream& stream);
  ~Call() override {
    if (stream_ != nullptr) stream_->Reset({FailureKind::kDownstreamClosed});
  }

  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override {
    inlet_->OnData(data, end);
    Deliver();
  }
  void OnTrailers(http::HeaderMap&) override {
    inlet_->OnEnd();
    Deliver();
  }
  void OnReset(Failure) override { Cancel(); }
  void Cancel();
  void OnSendRoom() override {
    if (handler_ != nullptr) handler_->OnSendRoom();
  }
  void OnTurnEnd() override { Deliver(); }

  const http::Head& head() const override { return *head_; }
  const Transport& transport() const override;
  void Read() override {
    inlet_->Want();
    server_.loop_.AtTurnEnd(*this);
  }
  void Send(std::string_view message) override;
  void EndStreaming(const Status& status);
  size_t SendRoom() const override { return stream_ == nullptr ? 0 : stream_->SendRoom(); }
  void Finish(const Status& status) override;

 private:
  void Deliver();
  void RefuseWith(int http_status);
  void StartDeadline();
  // `is_fresh`: what is incomplete has begun since the last call.
  void WatchMessage(bool is_fresh);
  void OnMessageTimeout();
  void MakeInlet(size_t largest_message);
  void Release();

  Server& server_;
  Connection& connection_;
  http::Stream* stream_;
  Arena arena_;
  http::Head* head_ = nullptr;
  std::optional<MessageInlet> inlet_;  // never null; replaced to apply the method's own limit
  std::unique_ptr<CallHandler> handler_;
  std::unique_ptr<loop::Timer> deadline_;
  loop::Deadline message_deadline_{
      this, [](void* self) { static_cast<Call*>(self)->OnMessageTimeout(); }};
  bool is_unary_ = false;
  bool headers_sent_ = false;
  bool half_closed_ = false;
};

class Server::Connection final : public TransportEvents,
                                 public http::ServerConnectionEvents,
                                 public ListNode<Connection>,
                                 public Deletable {
 public:
  Connection(Server& server, std::unique_ptr<Transport> transport)
      : server_(server), transport_(std::move(transport)) {
    transport_->SetEvents(this);
    transport_->EnableRead(true);
  }
  ~Connection() override {
    while (!calls_.empty()) delete &calls_.PopFront();
    if (transport_ == nullptr) return;
    transport_->Close(true);
    server_.loop_.DeferDelete(std::move(transport_));
  }

  void OnTransportReady() override {
    const ServerOptions& options = server_.options_;
    const bool is_stranger = options.without_peer && transport_->peer() == nullptr;
    connection_ = http2::NewServerConnection(server_.loop_, std::move(transport_), *this,
                                             is_stranger ? *options.without_peer : options.http2);
    Buffer early(server_.loop_.slab());
    connection_->Start(early);
    if (server_.draining_) connection_->Drain();
    WaitForAge();
  }
  void OnTransportReadable() override {}
  void OnTransportWritable() override {}
  void OnTransportFailed(Failure) override { Remove(); }

  http::StreamEvents* OnStream(http::Stream& stream) override {
    auto call = std::make_unique<Call>(server_, *this, stream);
    calls_.PushBack(*call);
    return call.release();
  }
  void OnConnectionClosed(Failure) override { Remove(); }

  void Release(Call& call);
  void Drain() {
    if (connection_ != nullptr) connection_->Drain();
  }
  const Transport& transport() const { return connection_->transport(); }
  bool is_ready() const { return connection_ != nullptr; }
  void Close() {
    calls_.ForEach([](Call& call) { call.Cancel(); });
    connection_->Close();
    Remove();
  }

 private:
  void WaitForAge();
  void OnAge();
  void Remove() {
    age_.Clear();
    Unlink();
    --server_.connection_count_;
    server_.loop_.DeferDelete(std::unique_ptr<Deletable>(this));
  }

  Server& server_;
  std::unique_ptr<Transport> transport_;  // until it is ready
  std::unique_ptr<http::ServerConnection> connection_;
  IntrusiveList<Call> calls_;
  loop::Deadline age_{this, [](void* self) { static_cast<Connection*>(self)->OnAge(); }};
};

void Server::Connection::WaitForAge() {
  const int64_t age = server_.options_.connection_age.count();
  if (age == 0) return;
  const auto jitter =
      static_cast<int64_t>(server_.loop_.random().Below(static_cast<uint64_t>(age) / 2 + 1));
  server_.deadlines_.Set(age_, loop::Duration(age - age / 4 + jitter));
}

void Server::Connection::OnAge() {
  const auto& may_end = server_.options_.may_end_connection;
  if (may_end && !may_end()) return WaitForAge();
  connection_->Drain();
  calls_.ForEach([](Call& call) {
    call.EndStreaming({Code::kUnavailable, "the connection has reached its age: connect again"});
  });
}

Server::Call::Call(Server& server, Connection& connection, http::Stream& stream)
    : server_(server), connection_(connection), stream_(&stream), arena_(server.loop_.slab()) {
  MakeInlet(server.options_.largest_message);
}

void Server::Call::MakeInlet(size_t largest_message) {
  inlet_.emplace(server_.loop_.slab(), largest_message);
  inlet_->set_stream(stream_);
}

const Transport& Server::Call::transport() const { return connection_.transport(); }

void Server::Call::OnHeaders(http::Head& head, bool end) {
  head_ = &head;
  if (!head.is_grpc()) return RefuseWith(415);
  if (head.method != "POST") return RefuseWith(405);
  const ServiceRegistry::Method* method = server_.registry_.Find(head.path);
  if (method == nullptr) return Finish({Code::kUnimplemented, "unknown method"});
  if (server_.options_.admit) {
    const Status status = server_.options_.admit(head, transport());
    if (!status.ok()) return Finish(status);
  }
  if (method->largest_message != 0) MakeInlet(method->largest_message);
  if (end) inlet_->OnEnd();
  StartDeadline();
  is_unary_ = method->is_unary;
  handler_ = method->make_handler(*this);
  Deliver();
}

void Server::Call::StartDeadline() {
  const auto timeout = ParseTimeout(head_->headers.Get(HeaderId::kGrpcTimeout));
  if (!timeout.has_value()) return;
  deadline_ = server_.loop_.NewTimer([this] {
    if (handler_ != nullptr) handler_->OnCancelled();
    Finish({Code::kDeadlineExceeded, "deadline exceeded at the server"});
  });
  deadline_->Start(*timeout);
}

void Server::Call::WatchMessage(bool is_fresh) {
  if (!is_unary_ && !inlet_->in_message()) return message_deadline_.Clear();
  if (message_deadline_.is_set() && (is_unary_ || !is_fresh)) return;
  server_.deadlines_.Set(message_deadline_, server_.options_.message_timeout);
}

void Server::Call::OnMessageTimeout() {
  ++server_.message_timeouts_;
  const auto& observer = server_.options_.on_message_timeout;
  if (observer) observer(*head_, transport());
  handler_->OnCancelled();
  Finish({Code::kDeadlineExceeded, "the request message did not arrive completely in time"});
}

void Server::Call::Deliver() {
  bool is_fresh = false;
  std::string message;
  while (stream_ != nullptr && handler_ != nullptr && !half_closed_) {
    switch (inlet_->Take(message)) {
      case MessageInlet::Result::kMessage:
        is_fresh = true;
        handler_->OnMessage(std::move(message));
        break;
      case MessageInlet::Result::kWaiting:
        return WatchMessage(is_fresh);
      case MessageInlet::Result::kEnd:
        half_closed_ = true;
        message_deadline_.Clear();
        return handler_->OnHalfClose();
      case MessageInlet::Result::kBroken:
        handler_->OnCancelled();
        return Finish(
            {inlet_->too_large() ? Code::kResourceExhausted : Code::kInternal, inlet_->error()});
    }
  }
}

void Server::Call::Send(std::string_view message) {
  if (stream_ == nullptr) return;
  if (!std::exchange(headers_sent_, true)) {
    http::Head head(arena_);
    head.status = 200;
    head.headers.Add(HeaderId::kContentType, "content-type", "application/grpc");
    stream_->SendHeaders(head, false);
  }
  Buffer body(server_.loop_.slab());
  AppendMessage(message, body);
  stream_->SendData(body, false);
}

void Server::Call::Finish(const Status& status) {
  if (stream_ == nullptr) return;
  if (headers_sent_) {
    http::HeaderMap trailers(arena_);
    AddStatus(status, trailers);
    stream_->SendTrailers(trailers);
  } else {
    http::Head head(arena_);
    head.status = 200;
    head.headers.Add(HeaderId::kContentType, "content-type", "application/grpc");
    AddStatus(status, head.headers);
    stream_->SendHeaders(head, true);
  }
  Release();
}

void Server::Call::EndStreaming(const Status& status) {
  if (is_unary_ || handler_ == nullptr) return;
  handler_->OnCancelled();
  Finish(status);
}

void Server::Call::RefuseWith(int http_status) {
  http::Head head(arena_);
  head.status = http_status;
  head.headers.Add(HeaderId::kContentType, "content-type", "text/plain");
  stream_->SendHeaders(head, false);
  Buffer body(server_.loop_.slab());
  body.Append("This port serves gRPC: POST with content-type application/grpc.\n");
  stream_->SendData(body, true);
  Release();
}

void Server::Call::Cancel() {
  if (handler_ != nullptr) handler_->OnCancelled();
  Release();
}

void Server::Call::Release() {
  if (stream_ == nullptr) return;
  std::exchange(stream_, nullptr)->Detach();
  inlet_->set_stream(nullptr);
  deadline_.reset();
  message_deadline_.Clear();
  connection_.Release(*this);
}

void Server::Connection::Release(Call& call) {
  static_cast<ListNode<Call>&>(call).Unlink();
  server_.loop_.DeferDelete(std::unique_ptr<Deletable>(&call));
}

Server::Server(loop::Loop& loop, const ServiceRegistry& registry, const ServerOptions& options)
    : loop_(loop), registry_(registry), options_(options), deadlines_(loop) {}

Server::~Server() {
  while (!connections_.empty()) delete &connections_.PopFront();
}

void Server::Adopt(std::unique_ptr<Transport> transport) {
  auto connection = std::make_unique<Connection>(*this, std::move(transport));
  connections_.PushBack(*connection.release());
  ++connection_count_;
}

void Server::Drain() {
  draining_ = true;
  connections_.ForEach([](Connection& connection) { connection.Drain(); });
}

void Server::CloseWhere(const std::function<bool(const Transport&)>& predicate) {
  connections_.ForEach([&](Connection& connection) {
    if (connection.is_ready() && predicate(connection.transport())) connection.Close();
  });
}

}  // namespace tulle::grpc
