#include "tests/simulation/http_origin.h"

#include <algorithm>
#include <utility>

#include "net/http1/server_connection.h"
#include "net/http2/connection.h"

namespace tulle::simulation {

constexpr size_t kCredit = 64 * 1024;

// One request and its response.
class HttpOrigin::Answer final : public http::StreamEvents, public Deletable {
 public:
  Answer(HttpOrigin& origin, Downstream& downstream, http::Stream& stream)
      : origin_(origin),
        downstream_(downstream),
        stream_(&stream),
        arena_(origin.loop_.slab()),
        body_(origin.loop_.slab()),
        timer_(origin.loop_.NewTimer([this] { Respond(); })) {}
  ~Answer() override {
    if (stream_ != nullptr) stream_->Detach();
  }

  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override {
    head_ = &head;
    if (head.expects_continue) {
      Arena arena(origin_.loop_.slab());
      http::Head interim(arena);
      interim.status = 100;
      stream_->SendInterim(interim);
    }
    end ? Think() : stream_->Pull(kCredit);
  }
  void OnData(Buffer& data, bool end) override {
    const size_t taken = data.size();
    body_.Append(data);
    end ? Think() : stream_->Pull(taken);
  }
  void OnTrailers(http::HeaderMap&) override { Think(); }
  void OnReset(Failure) override {
    timer_->Stop();
    Finish();
  }
  void OnSendRoom() override {}

 private:
  void Think() {
    ++origin_.requests_;
    ++origin_.processed_[std::string(head_->method) + " " + std::string(head_->path)];
    if (origin_.broken_) origin_.broken_arrivals_.push_back(origin_.loop_.Now());
    const auto limit = static_cast<uint64_t>(origin_.habits_.thinking.count());
    timer_->Start(loop::Duration(origin_.loop_.random().Below(limit + 1)));
  }
  bool OneIn(uint64_t many) { return many > 0 && origin_.loop_.random().Below(many) == 0; }
  void Respond();
  void Finish();

  HttpOrigin& origin_;
  Downstream& downstream_;
  http::Stream* stream_;
  Arena arena_;
  Buffer body_;
  http::Head* head_ = nullptr;
  std::unique_ptr<loop::Timer> timer_;
};

class HttpOrigin::Downstream final : public http::ServerConnectionEvents, public Deletable {
 public:
  Downstream(HttpOrigin& origin, std::unique_ptr<loop::Socket> socket) : origin_(origin) {
    std::unique_ptr<Transport> transport = Acceptor(origin).Accept(origin.loop_, std::move(socket));
    if (origin.habits_.http2) {
      connection_ = http2::NewServerConnection(origin.loop_, std::move(transport), *this, {});
    } else {
      connection_ = std::make_unique<http1::ServerConnection>(
          origin.loop_, origin.deadlines_, std::move(transport), *this, http1::ServerOptions{});
    }
    Buffer nothing(origin.loop_.slab());
    connection_->Start(nothing);
  }
  ~Downstream() override {
    answers_.clear();
    connection_->Close();
    origin_.loop_.DeferDelete(std::move(connection_));
  }

  http::StreamEvents* OnStream(http::Stream& stream) override {
    answers_.push_back(std::make_unique<Answer>(origin_, *this, stream));
    return answers_.back().get();
  }
  void OnConnectionClosed(Failure) override { origin_.Remove(*this); }
  void Remove(Answer& answer) {
    const auto found = std::find_if(answers_.begin(), answers_.end(),
                                    [&](const auto& held) { return held.get() == &answer; });
    origin_.loop_.DeferDelete(std::move(*found));
    answers_.erase(found);
  }

 private:
  static const TransportAcceptor& Acceptor(const HttpOrigin& origin) {
    return origin.habits_.acceptor != nullptr ? *origin.habits_.acceptor : PlainAcceptor();
  }

  HttpOrigin& origin_;
  std::vector<std::unique_ptr<Answer>> answers_;
  std::unique_ptr<http::ServerConnection> connection_;
};

void HttpOrigin::Answer::Respond() {
  if (OneIn(origin_.habits_.one_in_aborts)) {
    ++origin_.aborted_;
    std::exchange(stream_, nullptr)->Reset({FailureKind::kInternal});
    return Finish();
  }
  Arena arena(origin_.loop_.slab());
  http::Head head(arena);
  head.status = 200;
  if (origin_.broken_ || OneIn(origin_.habits_.one_in_fails)) {
    ++origin_.failed_;
    head.status = 503;
  }
  origin_.last_xfcc_ = head_->headers.Get(http::HeaderId::kXForwardedClientCert);
  head.headers.Add("x-path", head_->path);
  head.content_length = static_cast<int64_t>(body_.size());
  const bool empty = body_.empty();
  stream_->SendHeaders(head, empty);
  if (!empty) stream_->SendData(body_, true);
  Finish();
}

void HttpOrigin::Answer::Finish() {
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->Detach();
  downstream_.Remove(*this);
}

HttpOrigin::HttpOrigin(loop::Loop& loop, const SocketAddress& at, const OriginHabits& habits)
    : loop_(loop), habits_(habits), deadlines_(loop) {
  int error = 0;
  listener_ = loop.Listen(at, {}, *this, &error);
}

HttpOrigin::~HttpOrigin() = default;

void HttpOrigin::OnAccept(std::unique_ptr<loop::Socket> socket) {
  ++connections_;
  downstreams_.push_back(std::make_unique<Downstream>(*this, std::move(socket)));
}

void HttpOrigin::Remove(Downstream& downstream) {
  const auto found = std::find_if(downstreams_.begin(), downstreams_.end(),
                                  [&](const auto& held) { return held.get() == &downstream; });
  loop_.DeferDelete(std::move(*found));
  downstreams_.erase(found);
}

}  // namespace tulle::simulation
