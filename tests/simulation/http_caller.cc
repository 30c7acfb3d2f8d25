#include "tests/simulation/http_caller.h"

#include <utility>

#include "net/http1/client_connection.h"
#include "net/http2/connection.h"

namespace tulle::simulation {

HttpCaller::HttpCaller(loop::Loop& loop, const SocketAddress& to, const Calls& calls)
    : loop_(loop),
      to_(to),
      calls_(calls),
      deadlines_(loop),
      resume_(loop.NewTimer([this] { Resume(); })),
      arena_(std::make_unique<Arena>(loop.slab())) {
  resume_->Start({});
}

HttpCaller::~HttpCaller() {
  if (stream_ != nullptr) stream_->Detach();
  Hang();
}

void HttpCaller::Resume() {
  if (connection_ == nullptr) return Dial();
  if (connection_->StreamRoom() > 0) Ask();
}

void HttpCaller::Dial() {
  const TransportConnector& connector =
      calls_.connector != nullptr ? *calls_.connector : PlainConnector();
  std::unique_ptr<Transport> transport = connector.Connect(loop_, to_, {});
  if (calls_.http2) {
    connection_ = http2::NewClientConnection(loop_, std::move(transport), *this, {});
  } else {
    connection_ = std::make_unique<http1::ClientConnection>(loop_, deadlines_, std::move(transport),
                                                            *this, http1::ClientOptions{});
  }
  connection_->Start();
}

void HttpCaller::Hang() {
  if (connection_ == nullptr) return;
  connection_->Close();
  loop_.DeferDelete(std::move(connection_));
}

void HttpCaller::Ask() {
  const int number = answered_ + lost_;
  path_ = calls_.prefix + "/" + std::to_string(number);
  question_.clear();
  if (number % 2 == 1) {
    const size_t size = 1 + loop_.random().Below(calls_.largest_body);
    for (size_t i = 0; i < size; ++i) question_ += static_cast<char>('a' + (i + number) % 26);
  }
  answer_.clear();
  arena_->Clear();
  status_ = 0;
  path_right_ = false;
  Arena arena(loop_.slab());
  http::Head head(arena);
  head.method = question_.empty() ? "GET" : "POST";
  head.authority = calls_.authority;
  head.path = path_;
  if (!question_.empty()) head.content_length = static_cast<int64_t>(question_.size());
  stream_ = &connection_->Open(*this);
  stream_->SendHeaders(head, question_.empty());
  stream_->Pull(1 << 20);
  if (question_.empty()) return;
  Buffer body(loop_.slab());
  body.Append(question_);
  stream_->SendData(body, true);
}

void HttpCaller::OnHeaders(http::Head& head, bool end) {
  status_ = head.status;
  const http::Header* path = head.headers.Find("x-path");
  if (head.headers.Find("x-marker") != nullptr) ++marked_;
  path_right_ = path != nullptr && path->value == path_;
  if (end) Finish();
}

void HttpCaller::OnData(Buffer& data, bool end) {
  answer_ += data.ToString();
  data.Clear();
  if (end) Finish();
}

void HttpCaller::Finish() {
  std::exchange(stream_, nullptr)->Detach();
  ++answered_;
  ++statuses_[status_ % 600];
  if (status_ == 200 && (!path_right_ || answer_ != question_)) ++wrong_;
  if (done()) return Hang();
  const loop::Duration pause(loop_.random().Below(static_cast<uint64_t>(calls_.pause.count())));
  const bool hangs = calls_.one_in_new > 0 && loop_.random().Below(calls_.one_in_new) == 0;
  if (hangs) Hang();
  if (hangs || pause.count() > 0) return resume_->Start(pause);
  if (connection_->StreamRoom() > 0) Ask();
}

void HttpCaller::OnStreamRoom() {
  if (stream_ == nullptr && !done() && !resume_->active() && connection_->StreamRoom() > 0) Ask();
}

void HttpCaller::OnReset(Failure) {
  std::exchange(stream_, nullptr)->Detach();
  ++lost_;
}

void HttpCaller::OnConnectionClosed(Failure) {
  Hang();
  if (!done()) resume_->Start(std::chrono::milliseconds(1));
}

}  // namespace tulle::simulation
