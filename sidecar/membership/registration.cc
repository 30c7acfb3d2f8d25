#include "sidecar/membership/registration.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sidecar/membership/request_check.h"
#include "tulle/registry/v1/registry.pb.h"

namespace tulle::sidecar {
namespace {

constexpr char kRegister[] = "/tulle.registry.v1.Registry/Register";
constexpr char kHeartbeat[] = "/tulle.registry.v1.Registry/Heartbeat";
constexpr char kDeregister[] = "/tulle.registry.v1.Registry/Deregister";
constexpr loop::Duration kCallTimeout = std::chrono::seconds(5);
constexpr loop::Duration kRegisterAgainAfter = std::chrono::milliseconds(200);

bool ParsePort(std::string_view text, uint32_t* port) {
  uint16_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  *port = value;
  return error == std::errc() && end == text.data() + text.size() && value != 0;
}

bool ParseProtocol(const std::string& text) {
  return text == "http" || text == "http2" || text == "grpc" || text == "tcp";
}

bool ParseInbound(const std::string& text, registry::v1::Port* port) {
  const std::vector<std::string> halves = absl::StrSplit(text, '/');
  if (halves.size() != 2) return false;
  const size_t at = halves[0].find('@');
  uint32_t dialled = 0;
  if (at != std::string::npos && !ParsePort(std::string_view(halves[0]).substr(0, at), &dialled))
    return false;
  const std::vector<std::string> ports =
      absl::StrSplit(at == std::string::npos ? halves[0] : halves[0].substr(at + 1), ':');
  if (ports.size() < 2 || ports.size() > 3) return false;
  uint32_t listen = 0, application = 0, service = 0;
  if (!ParsePort(ports[0], &listen) || !ParsePort(ports[1], &application)) return false;
  if (ports.size() == 3 && !ParsePort(ports[2], &service)) return false;
  const std::string& protocol = halves[1];
  if (!ParseProtocol(protocol)) return false;
  port->set_name(absl::StrCat(protocol, "-", listen));
  port->set_number(dialled == 0 ? listen : dialled);
  port->set_listen_port(listen);
  port->set_application_port(application);
  port->set_service_port(service == 0 ? listen : service);
  port->set_protocol(protocol);
  return true;
}

bool ParseTransparent(const std::string& text, registry::v1::Port* port) {
  const std::vector<std::string> halves = absl::StrSplit(text, '/');
  if (halves.size() > 2) return false;
  if (halves.size() == 2 && !ParseProtocol(halves[1])) return false;
  const std::vector<std::string> ports = absl::StrSplit(halves[0], ':');
  uint32_t application = 0, service = 0;
  if (ports.size() > 2 || !ParsePort(ports[0], &application)) return false;
  if (ports.size() == 2 && !ParsePort(ports[1], &service)) return false;
  if (halves.size() == 2) port->set_protocol(halves[1]);
  port->set_name(
      absl::StrCat(port->protocol().empty() ? "auto" : port->protocol(), "-", application));
  port->set_number(application);
  port->set_listen_port(application);
  port->set_application_port(application);
  port->set_service_port(service == 0 ? application : service);
  return true;
}

bool Holds(const std::vector<uint16_t>& ports, uint32_t port) {
  return std::find(ports.begin(), ports.end(), port) != ports.end();
}

// Applies the options that hold for single ports, and interception.
void Annotate(const Workload& workload, registry::v1::RegisterRequest* request) {
  for (registry::v1::Port& port : *request->mutable_ports()) {
    if (Holds(workload.opaque_ports, port.application_port())) port.set_protocol("tcp");
    port.set_skipped(Holds(workload.skip_ports, port.application_port()));
    // Without a listener before it, peers dial the application itself, unless --inbound names
    // another address.
    if (port.skipped() && port.number() == port.listen_port())
      port.set_number(port.application_port());
  }
  if (!workload.transparent) return;
  request->mutable_interception()->set_outbound_port(workload.outbound_capture);
  request->mutable_interception()->set_inbound_port(workload.inbound_capture);
  request->mutable_interception()->set_ipv6(workload.has_ipv6);
}

bool ParseOutboundTcp(const std::string& text, registry::v1::TcpOutbound* outbound) {
  const std::vector<std::string> sides = absl::StrSplit(text, '=');
  if (sides.size() != 2) return false;
  const size_t colon = sides[0].rfind(':');
  uint32_t port = 0, listen = 0;
  if (colon == std::string::npos || colon == 0 ||
      !ParsePort(std::string_view(sides[0]).substr(colon + 1), &port))
    return false;
  if (!ParsePort(sides[1], &listen)) return false;
  outbound->set_service(sides[0].substr(0, colon));
  outbound->set_service_port(port);
  outbound->set_listen_port(listen);
  return true;
}

}  // namespace

absl::StatusOr<std::string> MakeRegistration(const Workload& workload,
                                             const std::string& instance_id) {
  registry::v1::RegisterRequest request;
  request.set_instance_id(instance_id);
  request.set_service(workload.service);
  request.set_address(workload.address);
  request.set_locality(workload.locality);
  if (workload.metrics_port != 0)
    (*request.mutable_metadata())["tulle.dev/metrics-port"] = absl::StrCat(workload.metrics_port);
  for (const std::string& text : workload.inbound) {
    if (ParseInbound(text, request.add_ports())) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--inbound ", text,
        ": expected [DIALLED@]LISTEN:APPLICATION[:SERVICE]/PROTOCOL, such as 18080:8080:80/http"));
  }
  request.mutable_outbound()->set_http_port(workload.outbound_http);
  for (const std::string& text : workload.outbound_tcp) {
    if (ParseOutboundTcp(text, request.mutable_outbound()->add_tcp())) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--outbound-tcp ", text, ": expected SERVICE:PORT=LISTEN, such as redis:6379=16379"));
  }
  for (const std::string& text : workload.ports) {
    if (ParseTransparent(text, request.add_ports())) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "--port ", text, ": expected APPLICATION[:SERVICE][/PROTOCOL], such as 8080:80/http"));
  }
  Annotate(workload, &request);
  if (absl::Status checked = CheckRequest(request); !checked.ok()) return checked;
  return request.SerializeAsString();
}

Registration::Registration(loop::Loop& loop, xds::AdsClient& ads, std::string request,
                           OnError on_error)
    : loop_(loop),
      ads_(ads),
      request_(std::move(request)),
      on_error_(std::move(on_error)),
      channel_(ads.Share(static_cast<grpc::ChannelEvents&>(*this))) {
  timer_ = loop_.NewTimer([this] { channel_.exhausted() ? ads_.Reconnect() : Renew(); });
}

Registration::~Registration() = default;

void Registration::OnChannelReady() {
  if (breakers_ != nullptr) breakers_->Begin();
  Renew();
}

void Registration::OnChannelLost(Failure) {
  timer_->Stop();
  if (call_ != nullptr) loop_.DeferDelete(std::move(call_));
  if (const auto done = std::exchange(on_deregistered_, nullptr)) done();
}

void Registration::Renew() {
  if (call_ != nullptr || leaving_) return;
  if (!channel_.ready()) {
    // For example after a GOAWAY. The ADS stream may keep such a connection open for ever.
    if (channel_.exhausted() && !timer_->active()) timer_->Start(ttl_ / 3);
    return;
  }
  lease_.empty() ? Register() : Heartbeat();
}

loop::Duration Registration::RetryDelay() {
  return std::chrono::milliseconds(500 + loop_.random().Below(2000));
}

void Registration::TakeTtl(int64_t seconds) {
  if (seconds > 0) ttl_ = std::chrono::seconds(seconds);
}

void Registration::SetReady() {
  if (std::exchange(state_.ready, true)) return;
  if (call_ == nullptr) Renew();
}

void Registration::SetProblems(std::vector<std::string> problems) {
  if (state_.problems == problems) return;
  state_.problems = std::move(problems);
  if (call_ == nullptr && registered()) Renew();
}

void Registration::ShowIn(telemetry::Gauge& registered) {
  registered_ = &registered;
  registered_->Set(0);
}

void Registration::SetLease(std::string lease) {
  lease_ = std::move(lease);
  if (breakers_ != nullptr) breakers_->Begin();
  if (registered_ != nullptr) registered_->Set(lease_.empty() ? 0 : 1);
}

void Registration::Register() {
  registry::v1::RegisterRequest request;
  request.ParseFromString(request_);
  request.set_starting(!state_.ready);
  call_ = channel_.NewUnaryCall(
      kRegister, request.SerializeAsString(), kCallTimeout,
      [this, told = State{state_.ready, {}}](const grpc::Status& status, std::string bytes) {
        loop_.DeferDelete(std::move(call_));
        registry::v1::RegisterResponse response;
        if (!status.ok() || !response.ParseFromString(bytes)) {
          error_ = absl::StrCat("registration failed: ", status.message);
          on_error_(error_);
          return timer_->Start(RetryDelay());
        }
        error_.clear();
        SetLease(response.lease_id());
        TakeTtl(response.ttl().seconds());
        timer_->Start(told == state_ ? ttl_ / 3 : loop::Duration(0));
      });
}

void Registration::Heartbeat() {
  registry::v1::HeartbeatRequest request;
  request.set_lease_id(lease_);
  request.set_ready(state_.ready);
  *request.mutable_problems() = {state_.problems.begin(), state_.problems.end()};
  if (breakers_ != nullptr) breakers_->AddTo(request);
  call_ = channel_.NewUnaryCall(
      kHeartbeat, request.SerializeAsString(), kCallTimeout,
      [this, told = state_](const grpc::Status& status, const std::string& bytes) {
        loop_.DeferDelete(std::move(call_));
        registry::v1::HeartbeatResponse response;
        if (status.ok() && response.ParseFromString(bytes)) TakeTtl(response.ttl().seconds());
        if (status.ok() && breakers_ != nullptr) breakers_->Confirm();
        if (status.code == grpc::Code::kNotFound) SetLease("");
        if (told != state_) return timer_->Start(loop::Duration(0));
        if (status.code == grpc::Code::kNotFound) return timer_->Start(kRegisterAgainAfter);
        timer_->Start(status.ok() ? ttl_ / 3 : RetryDelay());
      });
}

void Registration::Deregister(std::function<void()> done) {
  leaving_ = true;
  timer_->Stop();
  if (lease_.empty() || !channel_.ready()) return done();
  registry::v1::DeregisterRequest request;
  request.set_lease_id(lease_);
  if (call_ != nullptr) loop_.DeferDelete(std::move(call_));
  on_deregistered_ = std::move(done);
  call_ = channel_.NewUnaryCall(kDeregister, request.SerializeAsString(), std::chrono::seconds(1),
                                [this](const grpc::Status&, const std::string&) {
                                  loop_.DeferDelete(std::move(call_));
                                  SetLease("");
                                  if (const auto told = std::exchange(on_deregistered_, nullptr))
                                    told();
                                });
}

}  // namespace tulle::sidecar
