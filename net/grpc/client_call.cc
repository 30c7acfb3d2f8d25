// Headers, messages and status of outgoing gRPC calls.
#include "net/grpc/client_call.h"

#include <utility>

namespace tulle::grpc {

using http::HeaderId;

ClientCall::ClientCall(loop::Loop& loop, http::ClientConnection& connection,
                       const CallOptions& options, ClientCallEvents& events)
    : loop_(loop),
      events_(events),
      arena_(loop.slab()),
      inlet_(loop.slab(), options.largest_message) {
  stream_ = &connection.Open(*this);
  inlet_.set_stream(stream_);
  http::Head head(arena_);
  head.method = "POST";
  head.scheme = options.scheme;
  head.authority = options.authority;
  head.path = options.path;
  head.headers.Add(HeaderId::kContentType, "content-type", "application/grpc");
  head.headers.Add(HeaderId::kUserAgent, "user-agent", "tulle");
  head.headers.Add(HeaderId::kTe, "te", "trailers");
  if (options.timeout.count() > 0) {
    head.headers.Add(HeaderId::kGrpcTimeout, "grpc-timeout",
                     arena_.Copy(FormatTimeout(options.timeout)));
    deadline_ = loop.NewTimer([this] {
      if (stream_ != nullptr)
        std::exchange(stream_, nullptr)->Reset({FailureKind::kRequestTimeout});
      Finish({Code::kDeadlineExceeded, "deadline exceeded"});
    });
    deadline_->Start(options.timeout);
  }
  for (const auto& [name, value] : options.metadata) head.headers.Add(name, value);
  stream_->SendHeaders(head, false);
}

void ClientCall::Send(std::string_view message) {
  if (stream_ == nullptr) return;
  Buffer body(loop_.slab());
  AppendMessage(message, body);
  stream_->SendData(body, false);
}

void ClientCall::HalfClose() {
  if (stream_ == nullptr) return;
  Buffer none(loop_.slab());
  stream_->SendData(none, true);
}

void ClientCall::Read() {
  inlet_.Want();
  loop_.AtTurnEnd(*this);
}

void ClientCall::Cancel() {
  Unlink();
  inlet_.set_stream(nullptr);
  deadline_.reset();
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->Reset({FailureKind::kDownstreamClosed});
}

void ClientCall::OnHeaders(http::Head& head, bool end) {
  http_status_ = head.status;
  if (head.status != 200 || !head.is_grpc()) {
    status_ = {CodeOfHttp(head.status),
               "not a gRPC response: HTTP status " + std::to_string(head.status)};
    status_known_ = true;
    return Finish(status_);
  }
  if (!end) return;
  status_ = StatusFrom(head.headers).value_or(Status{Code::kUnknown, "no grpc-status"});
  status_known_ = true;
  inlet_.OnEnd();
  Deliver();
}

void ClientCall::OnData(Buffer& data, bool end) {
  inlet_.OnData(data, end);
  if (end) {
    status_ = {CodeOfHttp(http_status_), "the response ended without trailers"};
    status_known_ = true;
  }
  Deliver();
}

void ClientCall::OnTrailers(http::HeaderMap& trailers) {
  status_ = StatusFrom(trailers).value_or(Status{Code::kUnknown, "no grpc-status"});
  status_known_ = true;
  inlet_.OnEnd();
  Deliver();
}

void ClientCall::OnReset(Failure failure) { Finish(StatusOfFailure(failure)); }

void ClientCall::Deliver() {
  std::string message;
  while (stream_ != nullptr) {
    switch (inlet_.Take(message)) {
      case MessageInlet::Result::kMessage:
        events_.OnMessage(std::move(message));
        break;
      case MessageInlet::Result::kWaiting:
        return;
      case MessageInlet::Result::kEnd:
        if (status_known_) Finish(status_);
        return;
      case MessageInlet::Result::kBroken:
        return Finish(
            {inlet_.too_large() ? Code::kResourceExhausted : Code::kInternal, inlet_.error()});
    }
  }
}

void ClientCall::Finish(const Status& status) {
  const Status last = status;
  Cancel();
  events_.OnFinished(last);
}

UnaryCall::UnaryCall(loop::Loop& loop, http::ClientConnection& connection,
                     const CallOptions& options, std::string_view request, Done done)
    : done_(std::move(done)), call_(loop, connection, options, *this) {
  call_.Send(request);
  call_.HalfClose();
  call_.Read();
}

void UnaryCall::OnMessage(std::string message) {
  response_ = std::move(message);
  answered_ = true;
}

void UnaryCall::OnFinished(const Status& status) {
  if (status.ok() && !answered_) {
    return done_({Code::kInternal, "the server sent no response message"}, {});
  }
  done_(status, std::move(response_));
}

}  // namespace tulle::grpc
