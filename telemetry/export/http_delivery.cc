#include "telemetry/export/http_delivery.h"

#include "net/base/buffer.h"
#include "net/http1/client_connection.h"
#include "telemetry/export/collector_answer.h"

namespace tulle::telemetry {
namespace {

DeliveryResult ResultOf(int status) {
  switch (status) {
    case 0:  // no answer
    case 429:
    case 502:
    case 503:
    case 504:
      return DeliveryResult::kLater;
    default:
      return status >= 200 && status < 300 ? DeliveryResult::kAccepted : DeliveryResult::kRefused;
  }
}

}  // namespace

HttpDelivery::HttpDelivery(loop::Loop& loop, Connect connect, Options options)
    : loop_(loop),
      connect_(std::move(connect)),
      options_(std::move(options)),
      deadlines_(loop),
      arena_(loop.slab()),
      timeout_(loop.NewTimer([this] {
        Drop();
        Finish();
      })),
      tell_(loop.NewTimer([this] {
        if (done_ != nullptr) std::exchange(done_, nullptr)(TakeOutcome());
      })) {}

// At once, since the connection uses deadlines_.
HttpDelivery::~HttpDelivery() {
  if (stream_ != nullptr) stream_->Detach();
  if (connection_ != nullptr) connection_->Close();
}

void HttpDelivery::Send(std::string body, Done done) {
  body_ = std::move(body);
  done_ = std::move(done);
  status_ = 0;
  wait_ = {};
  answer_.clear();
  timeout_->Start(options_.timeout);
  if (connection_ != nullptr && connection_->StreamRoom() > 0) return Post();
  Drop();
  std::unique_ptr<Transport> transport = connect_();
  // Reported later, as any other failure.
  if (transport == nullptr) return timeout_->Start(loop::Duration(0));
  connection_.reset(new http1::ClientConnection(loop_, deadlines_, std::move(transport),
                                                static_cast<http::ClientConnectionEvents&>(*this),
                                                http1::ClientOptions()));
  connection_->Start();
}

void HttpDelivery::Post() {
  arena_.Clear();
  stream_ = &connection_->Open(*this);
  http::Head head(arena_);
  head.method = "POST";
  head.scheme = options_.scheme;
  head.authority = options_.authority;
  head.path = options_.path;
  head.content_length = static_cast<int64_t>(body_.size());
  head.headers.Set(http::HeaderId::kContentType, options_.content_type);
  for (const auto& [name, value] : options_.headers) head.headers.Set(name, value);
  stream_->SendHeaders(head, false);
  Buffer body(loop_.slab());
  body.Append(body_);
  stream_->SendData(body, true);
}

void HttpDelivery::OnHeaders(http::Head& head, bool end) {
  status_ = head.status;
  wait_ = RetryAfter(head.headers.Get(http::HeaderId::kRetryAfter), loop_.WallNow());
  if (end) return Finish();
  stream_->Pull(kMostOfAnAnswer);
}

void HttpDelivery::OnData(Buffer& data, bool end) {
  answer_ += data.ToString();
  data.Clear();
  if (end || answer_.size() >= kMostOfAnAnswer) Finish();
}

DeliveryOutcome HttpDelivery::TakeOutcome() {
  DeliveryOutcome outcome{ResultOf(status_), wait_};
  if (outcome.result == DeliveryResult::kAccepted && options_.content_type == kProtobuf) {
    PartialSuccess partial = PartialSuccessIn(answer_);
    outcome.rejected = partial.rejected;
    outcome.message = std::move(partial.message);
  } else if (outcome.result == DeliveryResult::kRefused) {
    outcome.message = "HTTP status " + std::to_string(status_);
  }
  answer_ = {};
  return outcome;
}

void HttpDelivery::OnConnectionClosed(Failure) {
  if (connection_ != nullptr) loop_.DeferDelete(std::move(connection_));
  connection_ = nullptr;
  if (done_ != nullptr && stream_ == nullptr) Finish();  // it could not connect
}

void HttpDelivery::Finish() {
  timeout_->Stop();
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->Detach();
  if (is_outdated_) Drop();
  body_.clear();
  if (done_ != nullptr && !tell_->active()) tell_->Start(loop::Duration(0));
}

void HttpDelivery::Reconnect() {
  if (stream_ != nullptr) {
    is_outdated_ = true;
    return;
  }
  Drop();
  if (done_ != nullptr) Finish();  // it was connecting
}

void HttpDelivery::Drop() {
  is_outdated_ = false;
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->Detach();
  if (connection_ == nullptr) return;
  connection_->Close();
  loop_.DeferDelete(std::move(connection_));
  connection_ = nullptr;
}

}  // namespace tulle::telemetry
