#include <algorithm>

#include "absl/strings/str_cat.h"
#include "control-plane/discovery/workload_json.h"
#include "control-plane/server/grpc_services.h"
#include "tulle/registry/v1/registry.pb.h"

namespace tulle::server {
namespace {

namespace registryv1 = ::tulle::registry::v1;

using discovery::Workload;
using std::chrono::milliseconds;

void SetTtl(milliseconds ttl, google::protobuf::Duration* duration) {
  duration->set_seconds(ttl.count() / 1000);
  duration->set_nanos(static_cast<int32_t>(ttl.count() % 1000) * 1000000);
}

absl::Status ReadPorts(const registryv1::RegisterRequest& request, Workload* workload) {
  for (const registryv1::Port& port : request.ports()) {
    discovery::InboundPort inbound;
    inbound.listen_port = port.listen_port() == 0 ? port.number() : port.listen_port();
    inbound.dialled_port = port.number();
    inbound.application_port = port.application_port();
    inbound.service_port = port.service_port() == 0 ? port.number() : port.service_port();
    const std::string& text = port.protocol() == "http2" ? "grpc" : port.protocol();
    const auto protocol = policy::ParseProtocol(text.empty() ? "auto" : text);
    if (!protocol) {
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown protocol \"", text, "\": use http, grpc or tcp, or leave it empty"));
    }
    inbound.protocol = *protocol;
    inbound.is_skipped = port.skipped();
    workload->inbound.push_back(inbound);
  }
  return absl::OkStatus();
}

absl::Status ReadOutbound(const registryv1::Outbound& outbound, Workload* workload) {
  if (!outbound.address().empty()) workload->outbound.address = outbound.address();
  workload->outbound.http_port = outbound.http_port();
  for (const registryv1::TcpOutbound& each : outbound.tcp()) {
    const auto service = discovery::ParseServiceName(each.service(), workload->ns);
    if (!service.ok()) return service.status();
    workload->outbound.tcp.push_back({*service, each.service_port(), each.listen_port()});
  }
  return absl::OkStatus();
}

void ReadInterception(const registryv1::RegisterRequest& request, Workload* workload) {
  if (!request.has_interception()) return;
  discovery::Interception& ports = workload->interception.emplace();
  if (request.interception().outbound_port() != 0)
    ports.outbound_port = request.interception().outbound_port();
  if (request.interception().inbound_port() != 0)
    ports.inbound_port = request.interception().inbound_port();
  ports.has_ipv6 = request.interception().ipv6();
}

// The caller's grant names its services; a request may only narrow them.
absl::Status ReadServices(const std::string& wanted, const Caller& caller, Workload* workload) {
  for (const std::string& text : caller.services) {
    const auto service = discovery::ParseServiceName(text, workload->ns);
    if (!service.ok()) return service.status();
    if (wanted.empty() || wanted == text || wanted == service->name) {
      workload->services.push_back(*service);
    }
  }
  if (!wanted.empty() && workload->services.empty()) {
    return absl::PermissionDeniedError(
        absl::StrCat(caller.id.ToString(), " is not allowed to register service ", wanted,
                     ": create a join token for it with `tullectl token create --service`"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Workload> ReadWorkload(const registryv1::RegisterRequest& request,
                                      const Caller& caller, const grpc::ServerCall& call) {
  Workload workload;
  // NAMESPACE/POD is what pods are called.
  if (request.instance_id().find('/') != std::string::npos)
    return absl::InvalidArgumentError("invalid instance_id: it contains '/'");
  workload.id = request.instance_id();
  workload.spiffe_id = caller.id.ToString();
  workload.ns = std::string(caller.id.namespace_name().value_or(policy::kDefaultNamespace));
  workload.address =
      request.address().empty() ? call.transport().PeerAddress().host() : request.address();
  for (const auto& [name, value] : request.metadata()) {
    // The name of a pod is the API server's to tell.
    if (name != discovery::kPodMetadata) workload.metadata[name] = value;
  }
  workload.locality = request.locality();
  if (request.starting()) workload.health = discovery::Health::kUnhealthy;
  absl::Status status = ReadServices(request.service(), caller, &workload);
  if (status.ok()) status = ReadPorts(request, &workload);
  if (status.ok()) status = ReadOutbound(request.outbound(), &workload);
  ReadInterception(request, &workload);
  if (!status.ok()) return status;
  return workload;
}

absl::StatusOr<registryv1::RegisterResponse> Register(ControlPlane* plane,
                                                      const grpc::ServerCall& call,
                                                      const Caller& caller,
                                                      const registryv1::RegisterRequest& request) {
  const auto refuse = [&](const absl::Status& why) {
    plane->registry().OnRefused(request.instance_id(), caller.id.ToString(), why);
    return why;
  };
  auto workload = ReadWorkload(request, caller, call);
  if (!workload.ok()) return refuse(workload.status());
  std::optional<milliseconds> ttl;
  if (request.has_ttl()) {
    ttl = milliseconds(request.ttl().seconds() * 1000 + request.ttl().nanos() / 1000000);
  }
  const auto lease = plane->registry().Register(*std::move(workload), ttl);
  if (!lease.ok()) return refuse(lease.status());
  registryv1::RegisterResponse response;
  response.set_lease_id(lease->id);
  SetTtl(lease->ttl, response.mutable_ttl());
  return response;
}

registry::OpenBreakers::Report ReadBreakers(const registryv1::OpenBreakers& open, int64_t now) {
  registry::OpenBreakers::Report report{open.count(), {}};
  for (const registryv1::OpenBreaker& each : open.items()) {
    report.items.push_back(
        {each.cluster(), each.endpoint(), each.cause(), now - int64_t{each.seconds()}});
  }
  return report;
}

absl::StatusOr<registryv1::HeartbeatResponse> Heartbeat(
    ControlPlane* plane, const grpc::ServerCall&, const Caller& caller,
    const registryv1::HeartbeatRequest& request) {
  const auto ttl =
      plane->registry().Heartbeat(request.lease_id(), caller.id.ToString(), request.ready(),
                                  {request.problems().begin(), request.problems().end()});
  if (!ttl.ok()) return ttl.status();
  if (request.has_breakers()) {
    plane->registry().SetOpenBreakers(request.lease_id(), caller.id.ToString(),
                                      ReadBreakers(request.breakers(), plane->Now()));
  }
  registryv1::HeartbeatResponse response;
  SetTtl(*ttl, response.mutable_ttl());
  return response;
}

absl::StatusOr<registryv1::DeregisterResponse> Deregister(
    ControlPlane* plane, const grpc::ServerCall&, const Caller& caller,
    const registryv1::DeregisterRequest& request) {
  const auto ended = plane->registry().Deregister(request.lease_id(), caller.id.ToString());
  if (!ended.ok()) return ended.status();
  plane->authority().rotation().OnEnded(*ended);
  return registryv1::DeregisterResponse();
}

template <typename Request, typename Response>
void AddMethod(ControlPlane* plane, grpc::ServiceRegistry* services, const char* path,
               absl::StatusOr<Response> (*answer)(ControlPlane*, const grpc::ServerCall&,
                                                  const Caller&, const Request&)) {
  services->AddUnary(
      path,
      [plane, answer](const grpc::ServerCall& call, const std::string& bytes,
                      std::unique_ptr<grpc::UnaryReply> reply) {
        const auto caller = plane->admission().Authenticate(
            call.transport(), call.head().headers.Get(http::HeaderId::kAuthorization));
        if (!caller.ok()) return reply->Fail(ToGrpc(caller.status()));
        Request request;
        if (!request.ParseFromString(bytes)) {
          return reply->Fail({grpc::Code::kInvalidArgument, "invalid request"});
        }
        const auto response = answer(plane, call, *caller, request);
        if (!response.ok()) return reply->Fail(ToGrpc(response.status()));
        reply->Send(response->SerializeAsString());
      },
      kLargestRequest);
}

}  // namespace

void AddRegistry(ControlPlane* plane, grpc::ServiceRegistry* services) {
  AddMethod(plane, services, "/tulle.registry.v1.Registry/Register", &Register);
  AddMethod(plane, services, "/tulle.registry.v1.Registry/Heartbeat", &Heartbeat);
  AddMethod(plane, services, "/tulle.registry.v1.Registry/Deregister", &Deregister);
}

}  // namespace tulle::server
