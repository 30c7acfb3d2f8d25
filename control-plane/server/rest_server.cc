#include "control-plane/server/rest_server.h"

#include <algorithm>
#include <utility>

#include "net/base/arena.h"
#include "net/base/deletable.h"
#include "net/http/connection.h"
#include "net/http1/server_connection.h"

namespace tulle::server {
namespace {

constexpr size_t kMostBodyBytes = 2 << 20;
constexpr size_t kMostConnections = 256;

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
class RestServer::Exchange : public http::StreamEvents, public Deletable {
 public:
  Exchange(RestServer& server, http::Stream& stream)
      : server_(server), stream_(&stream), arena_(server.loop_.slab()) {}

  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override {
    request_.method = head.method;
    request_.authorization = head.headers.Get(http::HeaderId::kAuthorization);
    is_bad_ = !SplitTarget(head.path, &request_);
    if (end) {
      Answer();
    } else {
      stream_->Pull(kMostBodyBytes + 1);
    }
  }
  void OnData(Buffer& data, bool end) override {
    request_.body += data.ToString();
    data.Clear();
    if (end || request_.body.size() > kMostBodyBytes) Answer();
  }
  void OnTrailers(http::HeaderMap&) override { Answer(); }
  void OnReset(Failure) override { Leave(); }
  void OnSendRoom() override { Continue(); }

 private:
  void Leave() {
    if (stream_ != nullptr) stream_->Detach();
    stream_ = nullptr;
  }

  void Answer() {
    if (stream_ == nullptr) return;
    RestAnswer answer;
    if (is_bad_) {
      answer = {
          400,
          R"({"error":"the path is not well-formed","hint":"encode it by %XX, give each parameter once"})"};
    } else if (request_.body.size() > kMostBodyBytes) {
      answer = {413, R"({"error":"the body is larger than 2 MiB","hint":"send it in parts"})"};
    } else {
      answer = server_.handler_(request_);
    }
    more_ = std::move(answer.more);
    Send(answer);
    if (!more_ || request_.method == "HEAD") return Leave();
    next_ = server_.loop_.NewTimer([this] { Continue(); });
    next_->Start({});
  }

  // The next piece of an answer that has several.
  void Continue() {
    if (stream_ == nullptr || !more_ || stream_->SendRoom() == 0) return;
    std::string piece;
    const bool is_last = !more_(&piece);
    Buffer body(server_.loop_.slab());
    body.Append(piece);
    stream_->SendData(body, is_last);
    if (is_last) return Leave();
    next_->Start({});
  }

  void Send(const RestAnswer& answer) {
    Arena arena(server_.loop_.slab());
    http::Head head(arena);
    head.status = answer.status;
    if (!more_) head.content_length = static_cast<int64_t>(answer.body.size());
    head.headers.Add("content-type", answer.content_type);
    head.headers.Add("cache-control", "no-store");
    const bool is_empty = (answer.body.empty() && !more_) || request_.method == "HEAD";
    stream_->SendHeaders(head, is_empty);
    if (is_empty) return;
    Buffer body(server_.loop_.slab());
    body.Append(answer.body);
    stream_->SendData(body, !more_);
  }

  RestServer& server_;
  http::Stream* stream_;
  Arena arena_;
  api::ApiRequest request_;
  std::function<bool(std::string*)> more_;
  std::unique_ptr<loop::Timer> next_;
  bool is_bad_ = false;
};

class RestServer::Connection : public Deletable,
                               public ListNode<Connection>,
                               private http::ServerConnectionEvents {
 public:
  Connection(RestServer& server, std::unique_ptr<Transport> transport)
      : server_(server),
        codec_(std::make_unique<http1::ServerConnection>(
            server.loop_, server.deadlines_, std::move(transport), events(), Options())) {}

  void Start() {
    Buffer early(server_.loop_.slab());
    codec_->Start(early);
  }
  void Close() { codec_->Close(); }

 private:
  http::ServerConnectionEvents& events() { return *this; }
  static http1::ServerOptions Options() {
    http1::ServerOptions options;
    options.idle_timeout = std::chrono::seconds(60);
    return options;
  }

  http::StreamEvents* OnStream(http::Stream& stream) override {
    // The one before has been answered (a connection serves one request at a time), but may be on
    // the stack.
    server_.loop_.DeferDelete(std::move(exchange_));
    exchange_ = std::make_unique<Exchange>(server_, stream);
    return exchange_.get();
  }

  void OnConnectionClosed(Failure) override {
    --server_.connection_count_;
    Unlink();
    server_.loop_.DeferDelete(std::unique_ptr<Deletable>(this));
  }

  RestServer& server_;
  std::unique_ptr<http1::ServerConnection> codec_;
  std::unique_ptr<Exchange> exchange_;
};

RestServer::RestServer(loop::Loop& loop, Handler handler)
    : loop_(loop), deadlines_(loop), handler_(std::move(handler)) {}

RestServer::~RestServer() {
  while (!connections_.empty()) {
    Connection& connection = connections_.front();
    connection.Unlink();
    connection.Close();
    delete &connection;
  }
}

void RestServer::Adopt(std::unique_ptr<Transport> transport) {
  if (connection_count_ >= kMostConnections) {
    transport->Close(true);
    loop_.DeferDelete(std::move(transport));
    return;
  }
  auto connection = std::make_unique<Connection>(*this, std::move(transport));
  Connection& adopted = *connection.release();  // owned by the list
  connections_.PushBack(adopted);
  ++connection_count_;
  adopted.Start();
}

}  // namespace tulle::server
