#include "control-plane/server/rest_server.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/base/arena.h"
#include "net/base/deletable.h"
#include "net/http/connection.h"
#include "net/http1/server_connection.h"

namespace tulle::server {
namespace {

constexpr size_t kMostBodyBytesTogether = 32 << 20;

RestAnswer BadTarget() {
  return {
      400,
      R"({"error":"the path is not well-formed","hint":"encode it by %XX, give each parameter once"})"};
}

RestAnswer TooLarge(const RestLimits& limits) {
  return {413, absl::StrCat(R"({"error":"the body is larger than )", limits.body_bytes >> 20,
                            R"( MiB","hint":"send it in parts"})")};
}

RestAnswer TooSlow(const RestLimits& limits) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limits.body_time).count();
  return {408, absl::StrCat(R"({"error":"the body did not arrive within )", seconds, R"( s"})")};
}

RestAnswer Busy(const std::string& error) {
  return {503, R"({"error":")" + error + R"(","hint":"try again"})"};
}

RestAnswer TooManyOfSource() {
  return {429, R"({"error":"too many requests of this address wait","hint":"try again"})"};
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool Decode(std::string_view text, bool plus_is_space, std::string* decoded) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      *decoded += ' ';
    } else if (text[i] != '%') {
      *decoded += text[i];
    } else {
      if (i + 2 >= text.size()) return false;
      const int high = HexValue(text[i + 1]);
      const int low = HexValue(text[i + 2]);
      if (high < 0 || low < 0 || high * 16 + low == 0) return false;
      *decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return true;
}

}  // namespace

bool SplitTarget(std::string_view target, api::ApiRequest* request) {
  const size_t mark = target.find('?');
  if (!Decode(target.substr(0, mark), false, &request->path)) return false;
  if (mark == std::string_view::npos) return true;
  target.remove_prefix(mark + 1);
  while (!target.empty()) {
    const std::string_view pair = target.substr(0, target.find('&'));
    target.remove_prefix(std::min(pair.size() + 1, target.size()));
    const size_t equals = pair.find('=');
    std::string name;
    std::string value;
    if (!Decode(pair.substr(0, equals), true, &name)) return false;
    if (equals != std::string_view::npos && !Decode(pair.substr(equals + 1), true, &value))
      return false;
    if (!request->query.emplace(name, value).second) return false;  // which one was meant?
  }
  return true;
}

// One request and its answer.
class RestServer::Exchange : public http::StreamEvents, public Deletable, private TurnQueue::Entry {
 public:
  Exchange(RestServer& server, Connection& connection, http::Stream& stream)
      : server_(server), connection_(connection), stream_(&stream), arena_(server.loop_.slab()) {}
  ~Exchange() override { StopWaiting(); }

  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap&) override { Answer(); }
  void OnReset(Failure) override { Leave(); }
  void OnSendRoom() override { Continue(); }

  size_t body_bytes() const { return request_.body.size(); }
  void EndForRoom() { Send(Busy("too many large requests at once")); }

 private:
  // Once who calls is known.
  void Admit();
  void AdmitLater(const RestVerdict& verdict);
  void Answer();
  void OnTurn() override { Send(server_.handler_(request_)); }
  void OnNoRoom() override { Send(Busy("too many requests wait")); }
  void Send(RestAnswer answer);
  // Waits for an answer that comes later.
  void Await(const RestAnswer& answer);
  // The next piece of an answer that has several.
  void Continue();
  void Leave() {
    ForgetBody();
    StopWaiting();
    if (stream_ != nullptr) stream_->Detach();
    stream_ = nullptr;
  }
  void StopWaiting() {
    if (awaited_ != nullptr) --server_.later_;
    awaited_.reset();
  }
  void ForgetBody() {
    Cancel();
    body_deadline_.Clear();
    server_.body_bytes_ -= request_.body.size();
    std::string().swap(request_.body);
  }

  RestServer& server_;
  Connection& connection_;
  http::Stream* stream_;  // null: answered
  Arena arena_;
  api::ApiRequest request_;
  std::function<bool(std::string*)> more_;
  std::unique_ptr<loop::Timer> next_piece_;
  int64_t content_length_ = -1;
  bool is_whole_ = false;               // the head is all
  std::shared_ptr<Exchange*> asked_;    // set: who calls was asked elsewhere
  std::shared_ptr<Exchange*> awaited_;  // set: its answer comes later
  loop::Deadline body_deadline_{this, [](void* self) {
                                  auto& exchange = *static_cast<Exchange*>(self);
                                  exchange.Send(TooSlow(exchange.server_.limits_));
                                }};
};

class RestServer::Connection : public Deletable,
                               public ListNode<Connection>,
                               private http::ServerConnectionEvents {
 public:
  Connection(RestServer& server, std::unique_ptr<Transport> transport, GuestList::Guest* guest)
      : server_(server),
        guest_(guest),
        source_(SourceOf(transport->PeerAddress())),
        codec_(std::make_unique<http1::ServerConnection>(
            server.loop_, server.deadlines_, std::move(transport), events(), Options())) {}

  void Start() {
    Buffer early(server_.loop_.slab());
    codec_->Start(early);
  }
  void Close() { codec_->Close(); }
  Exchange* exchange() { return exchange_.get(); }
  const std::string& source() const { return source_; }
  // False: there are too many of those.
  bool Identify() {
    if (is_identified_) return true;
    if (server_.identified_count_ >= server_.limits_.most_identified) return false;
    ++server_.identified_count_;
    is_identified_ = true;
    if (guest_ != nullptr) guest_->Leave();
    return true;
  }

 private:
  http::ServerConnectionEvents& events() { return *this; }
  static http1::ServerOptions Options() {
    http1::ServerOptions options;
    options.idle_timeout = std::chrono::seconds(60);
    options.limits.head_bytes = options.limits.line_bytes = 16 * 1024;
    options.limits.trailer_bytes = 1024;
    return options;
  }

  http::StreamEvents* OnStream(http::Stream& stream) override {
    // The one before has been answered (a connection serves one request at a time), but may be on
    // the stack.
    server_.loop_.DeferDelete(std::move(exchange_));
    exchange_ = std::make_unique<Exchange>(server_, *this, stream);
    return exchange_.get();
  }

  void OnConnectionClosed(Failure) override {
    --server_.connection_count_;
    if (is_identified_) --server_.identified_count_;
    Unlink();
    server_.loop_.DeferDelete(std::unique_ptr<Deletable>(this));
  }

  RestServer& server_;
  GuestList::Guest* const guest_;
  const std::string source_;
  std::unique_ptr<http1::ServerConnection> codec_;
  std::unique_ptr<Exchange> exchange_;
  bool is_identified_ = false;
};

void RestServer::Exchange::OnHeaders(http::Head& head, bool end) {
  request_.method = head.method;
  request_.authorization = head.headers.Get(http::HeaderId::kAuthorization);
  request_.content_type = head.headers.Get(http::HeaderId::kContentType);
  if (!SplitTarget(head.path, &request_)) return Send(BadTarget());
  if (const auto* token = head.headers.Find(api::kAccountTokenHeader))
    request_.account_token = token->value;
  request_.host = head.authority;
  if (const auto* origin = head.headers.Find("origin")) request_.origin = origin->value;
  if (const auto* known = head.headers.Find("if-none-match")) request_.if_none_match = known->value;
  content_length_ = head.content_length;
  is_whole_ = end;
  Admit();
}

void RestServer::Exchange::AdmitLater(const RestVerdict& verdict) {
  asked_ = std::make_shared<Exchange*>(this);
  verdict.ask(connection_.source(), [self = std::weak_ptr<Exchange*>(asked_)] {
    const auto exchange = self.lock();
    if (exchange != nullptr && (*exchange)->stream_ != nullptr) (*exchange)->Admit();
  });
}

void RestServer::Exchange::Admit() {
  RestVerdict verdict = server_.admit_(request_);
  if (verdict.ask && asked_ == nullptr) return AdmitLater(verdict);
  if (verdict.refusal) return Send(*std::move(verdict.refusal));
  if (!verdict.is_identified && !verdict.is_login) return Answer();
  if (verdict.is_identified && !connection_.Identify())
    return Send(Busy("too many connections of the API are open"));
  if (is_whole_) return Answer();
  const RestLimits& limits = server_.limits_;
  if (content_length_ > static_cast<int64_t>(limits.body_bytes)) return Send(TooLarge(limits));
  server_.deadlines_.Set(body_deadline_, limits.body_time);
  stream_->Pull(limits.body_bytes + 1);
}

void RestServer::Exchange::OnData(Buffer& data, bool end) {
  server_.body_bytes_ += data.size();
  request_.body += data.ToString();
  data.Clear();
  if (request_.body.size() > server_.limits_.body_bytes) return Send(TooLarge(server_.limits_));
  if (server_.body_bytes_ > kMostBodyBytesTogether) server_.LargestBody()->EndForRoom();
  if (end) Answer();
}

void RestServer::Exchange::Answer() {
  if (stream_ == nullptr) return;
  if (server_.limits_.queue.most == 0) return Send(server_.handler_(request_));
  body_deadline_.Clear();
  switch (server_.queue_.Push(connection_.source(), *this)) {
    case TurnQueue::Place::kQueued:
      return;
    case TurnQueue::Place::kTooManyOfSource:
      return Send(TooManyOfSource());
    case TurnQueue::Place::kTooMany:
      return OnNoRoom();
  }
}

void RestServer::Exchange::Await(const RestAnswer& answer) {
  if (server_.later_ >= server_.limits_.most_later)
    return Send(Busy("too many answers are being waited for"));
  ++server_.later_;
  awaited_ = std::make_shared<Exchange*>(this);
  answer.later([self = std::weak_ptr<Exchange*>(awaited_)](RestAnswer late) {
    const auto exchange = self.lock();
    if (exchange == nullptr) return;  // nobody waits any more
    (*exchange)->StopWaiting();
    (*exchange)->Send(std::move(late));
  });
}

void RestServer::Exchange::Send(RestAnswer answer) {
  ForgetBody();
  if (answer.later) return Await(answer);
  more_ = std::move(answer.more);
  Arena arena(server_.loop_.slab());
  http::Head head(arena);
  head.status = answer.status;
  if (!more_) head.content_length = static_cast<int64_t>(answer.body.size());
  head.headers.Add("content-type", answer.content_type);
  bool may_be_kept = false;
  for (const auto& [name, value] : answer.headers) {
    head.headers.Add(name, value);
    may_be_kept = may_be_kept || name == "cache-control";
  }
  if (!may_be_kept) head.headers.Add("cache-control", "no-store");
  const bool is_empty = (answer.body.empty() && !more_) || request_.method == "HEAD";
  stream_->SendHeaders(head, is_empty);
  if (is_empty) return Leave();
  if (!answer.body.empty()) {
    Buffer body(server_.loop_.slab());
    body.Append(answer.body);
    stream_->SendData(body, !more_);
  }
  if (!more_) return Leave();
  next_piece_ = server_.loop_.NewTimer([this] { Continue(); });
  next_piece_->Start({});
}

void RestServer::Exchange::Continue() {
  if (stream_ == nullptr || !more_ || stream_->SendRoom() == 0) return;
  std::string piece;
  const bool is_last = !more_(&piece);
  if (!piece.empty() || is_last) {
    Buffer body(server_.loop_.slab());
    body.Append(piece);
    stream_->SendData(body, is_last);
  }
  if (is_last) return Leave();
  next_piece_->Start({});
}

RestServer::RestServer(loop::Loop& loop, Admit admit, Handler handler, const RestLimits& limits)
    : loop_(loop),
      limits_(limits),
      deadlines_(loop),
      queue_(loop, limits.queue),
      admit_(std::move(admit)),
      handler_(std::move(handler)) {}

RestServer::~RestServer() {
  while (!connections_.empty()) {
    Connection& connection = connections_.front();
    connection.Unlink();
    connection.Close();
    delete &connection;
  }
}

RestServer::Exchange* RestServer::LargestBody() {
  struct Share {
    size_t bytes = 0;
    Exchange* largest = nullptr;
  };
  std::map<std::string, Share> shares;
  connections_.ForEach([&shares](Connection& connection) {
    Exchange* exchange = connection.exchange();
    if (exchange == nullptr) return;
    Share& share = shares[connection.source()];
    share.bytes += exchange->body_bytes();
    if (share.largest == nullptr || exchange->body_bytes() > share.largest->body_bytes())
      share.largest = exchange;
  });
  const auto most = std::max_element(
      shares.begin(), shares.end(),
      [](const auto& a, const auto& b) { return a.second.bytes < b.second.bytes; });
  return most->second.largest;
}

void RestServer::Adopt(std::unique_ptr<Transport> transport, GuestList::Guest* guest) {
  auto connection = std::make_unique<Connection>(*this, std::move(transport), guest);
  Connection& adopted = *connection.release();  // owned by the list
  connections_.PushBack(adopted);
  ++connection_count_;
  adopted.Start();
}

}  // namespace tulle::server
