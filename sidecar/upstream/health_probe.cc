// Health probes by HTTP, gRPC and TCP.
#include "sidecar/upstream/health_probe.h"

#include <algorithm>
#include <string_view>

#include "sidecar/upstream/dial.h"

namespace tulle::upstream {
namespace {

constexpr size_t kMaxBody = 64 * 1024;
constexpr std::string_view kAgent = "tulle-health-check";

EndpointSpec CheckedEndpoint(const ProbeTarget& target) {
  EndpointSpec endpoint = target.endpoint;
  if (endpoint.health_check_port != 0)
    endpoint.address = endpoint.address.WithPort(endpoint.health_check_port);
  return endpoint;
}

std::unique_ptr<Transport> DialTarget(const ProbeTarget& target) {
  return Dial(target.loop, *target.cluster, CheckedEndpoint(target),
              SocketFor(*target.cluster, target.endpoint));
}

// HealthCheckRequest: field 1, a string.
std::string HealthRequest(const std::string& service) {
  std::string message;
  if (service.empty()) return message;
  message += '\x0a';
  size_t size = service.size();
  for (; size >= 0x80; size >>= 7) message += static_cast<char>(size | 0x80);
  message += static_cast<char>(size);
  return message + service;
}

// HealthCheckResponse: field 1 is SERVING.
bool IsServing(std::string_view message) { return message.substr(0, 2) == "\x08\x01"; }

}  // namespace

std::unique_ptr<HealthProbe> NewHealthProbe(const ProbeTarget& target, HealthProbe::Done done) {
  if (target.check().kind == HealthCheckSpec::Kind::kTcp)
    return std::make_unique<TcpHealthProbe>(target, std::move(done));
  return std::make_unique<HttpHealthProbe>(target, std::move(done));
}

void HttpHealthProbe::Ask() {
  asked_ = true;
  if (!target_.check().reuse_connection || stream_ != nullptr ||
      (connection_ != nullptr && connection_->StreamRoom() == 0)) {
    Drop();
    asked_ = true;
  }
  reused_ = connection_ != nullptr;
  reused_ ? Send() : Dial();
}

void HttpHealthProbe::Dial() {
  const bool http2 = is_grpc() || target_.cluster->http == HttpChoice::kHttp2;
  connection_ = NewCodec(http2 ? HttpVersion::k2 : HttpVersion::k1, target_.loop, target_.deadlines,
                         *target_.cluster, SocketFor(*target_.cluster, target_.endpoint),
                         DialTarget(target_), *this);
  connection_->Start();
}

void HttpHealthProbe::OnConnectionReady() {
  if (!HasExpectedIdentity(target_.endpoint, connection_->transport())) return Answer(false);
  if (asked_) Send();
}

void HttpHealthProbe::Send() { is_grpc() ? Call() : SendGet(); }

void HttpHealthProbe::Call() {
  grpc::CallOptions options;
  options.path = "/grpc.health.v1.Health/Check";
  options.authority =
      target_.check().host.empty() ? target_.cluster->service : target_.check().host;
  options.scheme = connection_->transport().is_tls() ? "https" : "http";
  options.metadata = target_.check().headers;
  options.largest_message = kMaxBody;
  call_ = std::make_unique<grpc::UnaryCall>(
      target_.loop, *connection_, options, HealthRequest(target_.check().service),
      [this](const grpc::Status& status, std::string response) {
        target_.loop.DeferDelete(std::move(call_));
        if (status.code == grpc::Code::kUnavailable) return OnLost();
        Answer(status.ok() && IsServing(response));
      });
}

void HttpHealthProbe::SendGet() {
  const HealthCheckSpec& check = target_.check();
  arena_.emplace(target_.loop.slab());
  http::Head head(*arena_);
  head.method = "GET";
  head.scheme = connection_->transport().is_tls() ? "https" : "http";
  head.authority = check.host.empty() ? target_.cluster->service : check.host;
  head.path = check.path;
  head.headers.Add("user-agent", kAgent);
  for (const auto& [name, value] : check.headers) head.headers.Set(name, value);
  unread_ = kMaxBody;
  stream_ = &connection_->Open(*this);
  stream_->SendHeaders(head, true);
  stream_->Pull(unread_);
}

bool HttpHealthProbe::IsExpected(int status) const {
  const auto& expected = target_.check().expected_statuses;
  if (expected.empty()) return status == 200;
  return std::any_of(expected.begin(), expected.end(), [&](const auto& range) {
    return static_cast<uint32_t>(status) >= range.first &&
           static_cast<uint32_t>(status) < range.second;
  });
}

// Reads the complete body, so that the connection can be reused.
void HttpHealthProbe::OnHeaders(http::Head& head, bool end) {
  const bool good = IsExpected(head.status);
  if (end) OnEnd();
  Answer(good);
}

void HttpHealthProbe::OnData(Buffer& data, bool end) {
  unread_ -= std::min(unread_, data.size());
  data.Clear();
  if (end) return OnEnd();
  if (unread_ == 0) Drop();
}

void HttpHealthProbe::OnEnd() {
  if (http::Stream* stream = std::exchange(stream_, nullptr)) stream->Detach();
}

void HttpHealthProbe::OnReset(Failure) {
  OnEnd();
  OnLost();
}

void HttpHealthProbe::OnConnectionClosed(Failure) {
  call_ = nullptr;
  target_.loop.DeferDelete(std::move(connection_));
  OnLost();
}

// The peer may have closed an idle connection at the same moment: that proves nothing, so a fresh
// connection is used.
void HttpHealthProbe::OnLost() {
  if (!asked_ || !std::exchange(reused_, false)) return Answer(false);
  Drop();
  asked_ = true;
  Dial();
}

void HttpHealthProbe::Answer(bool good) {
  if (std::exchange(asked_, false)) done_(good);
}

void HttpHealthProbe::Drop() {
  asked_ = false;
  call_ = nullptr;
  if (http::Stream* stream = std::exchange(stream_, nullptr)) stream->Reset({});
  if (connection_ == nullptr) return;
  connection_->Close();
  target_.loop.DeferDelete(std::move(connection_));
}

TcpHealthProbe::TcpHealthProbe(const ProbeTarget& target, Done done)
    : target_(target),
      done_(std::move(done)),
      unsent_(target.loop.slab()),
      received_(target.loop.slab()) {}

void TcpHealthProbe::Ask() {
  Drop();
  transport_ = DialTarget(target_);
  transport_->SetEvents(this);
}

void TcpHealthProbe::OnTransportReady() {
  if (!HasExpectedIdentity(target_.endpoint, *transport_)) return Answer(false);
  unsent_.Append(target_.check().send);
  if (!unsent_.empty()) transport_->Write(unsent_);
  if (target_.check().receive.empty()) return Answer(true);
  transport_->EnableRead(true);
}

void TcpHealthProbe::OnTransportReadable() {
  const ReadResult result = transport_->Read(received_, kMaxBody);
  if (result.status == ReadStatus::kWouldBlock) return;
  if (HasAll()) return Answer(true);
  if (result.status != ReadStatus::kOk || received_.size() >= kMaxBody) Answer(false);
}

// Everything expected, in order, whatever is between.
bool TcpHealthProbe::HasAll() const {
  const std::string text = received_.ToString();
  size_t from = 0;
  for (const std::string& wanted : target_.check().receive) {
    const size_t found = text.find(wanted, from);
    if (found == std::string::npos) return false;
    from = found + wanted.size();
  }
  return true;
}

void TcpHealthProbe::Answer(bool good) {
  Drop();
  done_(good);
}

void TcpHealthProbe::Drop() {
  unsent_.Clear();
  received_.Clear();
  if (transport_ == nullptr) return;
  transport_->Close(false);
  target_.loop.DeferDelete(std::move(transport_));
}

}  // namespace tulle::upstream
