#include "absl/strings/str_cat.h"
#include "certs/certificate.h"
#include "control-plane/insight/event_subjects.h"
#include "control-plane/kubernetes/problem_log.h"
#include "control-plane/server/grpc_services.h"
#include "tulle/ca/v1/ca.pb.h"
#include "xds/proto/type_urls.h"

namespace tulle::server {
namespace {

namespace cav1 = ::tulle::ca::v1;

constexpr char kGetTrustBundle[] = "/tulle.ca.v1.CertificateAuthority/GetTrustBundle";
constexpr char kCreateCertificate[] = "/tulle.ca.v1.CertificateAuthority/CreateCertificate";

void AddRoots(const std::string& bundle_pem,
              google::protobuf::RepeatedPtrField<std::string>* roots) {
  const auto certificates = certs::ParsePemCertificates(bundle_pem);
  if (!certificates.ok()) return;
  for (const certs::Certificate& root : *certificates) *roots->Add() = root.ToPem();
}

absl::StatusOr<cav1::CreateCertificateResponse> Create(ControlPlane* plane,
                                                       const absl::StatusOr<Caller>& caller,
                                                       const std::string& bytes) {
  if (!caller.ok()) return caller.status();
  cav1::CreateCertificateRequest request;
  if (!request.ParseFromString(bytes)) {
    return absl::InvalidArgumentError("invalid CreateCertificateRequest");
  }
  std::optional<int64_t> lifetime;
  if (request.has_ttl()) lifetime = request.ttl().seconds();
  const auto issued =
      plane->authority().Issue(caller->id, request.csr_pem(), lifetime,
                               ca::MeshAuthority::Holder::kSidecar, plane->Now(), caller->asker);
  if (!issued.ok()) return issued.status();
  cav1::CreateCertificateResponse response;
  response.add_certificate_chain(issued->certificate_pem);
  AddRoots(issued->trust_bundle_pem, response.mutable_trust_bundle());
  response.mutable_not_after()->set_seconds(issued->not_after);
  response.set_spiffe_id(issued->spiffe_id);
  return response;
}

// Strangers are known by their address, and share what is kept of one actor.
void NoteRefusal(ControlPlane& plane, const char* reason, const std::string& spiffe_id,
                 const std::string& address, std::string_view why) {
  plane.Note(
      {insight::Event::Type::kWarning, reason,
       spiffe_id.empty() ? insight::HostSubject(address) : insight::IdentitySubject(spiffe_id),
       std::string(why), spiffe_id});
}

void NoteIssued(ControlPlane& plane, const Caller& caller, int64_t lifetime) {
  const bool is_first = caller.asker.certificate_sha256.empty();
  const std::string id = caller.id.ToString();
  plane.Note({insight::Event::Type::kNormal, is_first ? "CertificateIssued" : "CertificateRenewed",
              insight::IdentitySubject(id),
              absl::StrCat(is_first ? "joined the mesh" : "renewed its certificate", " from ",
                           caller.asker.address, ", valid for ",
                           lifetime < 120 ? absl::StrCat(lifetime, " s")
                                          : absl::StrCat(lifetime / 60, " min")),
              id});
}

// Where a request for a certificate is from, as far as the connection tells.
struct Origin {
  std::string address;
  std::string spiffe_id;  // of a verified peer; empty: it has no certificate yet
};

void Answer(ControlPlane* plane, const absl::StatusOr<Caller>& caller, const Origin& origin,
            const std::string& request, grpc::UnaryReply& reply) {
  const auto response = Create(plane, caller, request);
  if (response.ok()) {
    NoteIssued(*plane, *caller, response->not_after().seconds() - plane->Now());
    reply.Send(response->SerializeAsString());
  } else {
    NoteRefusal(*plane, "CertificateRefused",
                caller.ok() ? caller->id.ToString() : origin.spiffe_id, origin.address,
                std::string(response.status().message()));
    reply.Fail(ToGrpc(response.status()));
  }
}

// Refusals of the Kubernetes API would otherwise be known to the sidecar alone.
void AnswerReviewed(ControlPlane* plane, kubernetes::ProblemLog* refusals,
                    const absl::StatusOr<Caller>& caller, const Origin& origin,
                    const std::string& request, grpc::UnaryReply& reply) {
  if (!caller.ok()) {
    refusals->Report(absl::StrCat("a sidecar at ", origin.address,
                                  " got no certificate: ", caller.status().message()));
  }
  Answer(plane, caller, origin, request, reply);
}

grpc::Status MayCall(ControlPlane& plane, const http::Head& head, const Transport& transport) {
  // The certificate was verified in the handshake; all that may have changed is its revocation.
  if (transport.peer() != nullptr) return ToGrpc(plane.admission().CheckRevoked(transport));
  if (head.path == xds::kDeltaPath || head.path == xds::kStatePath || head.path == kInsightPath) {
    return ToGrpc(absl::UnauthenticatedError(kXdsNeedsCertificate));
  }
  const std::string_view authorization = head.headers.Get(http::HeaderId::kAuthorization);
  if (head.path == kCreateCertificate && plane.admission().NeedsReview(transport, authorization)) {
    return ToGrpc(plane.admission().HasRoomForReview(transport));
  }
  return ToGrpc(plane.admission().Authenticate(transport, authorization).status());
}

}  // namespace

grpc::Status AdmitCall(ControlPlane& plane, const http::Head& head, const Transport& transport) {
  if (head.path == kGetTrustBundle) return {};
  const grpc::Status status = MayCall(plane, head, transport);
  if (!status.ok()) {
    const PeerIdentity* peer = transport.peer();
    NoteRefusal(plane, "CallRefused", peer == nullptr ? "" : peer->spiffe_id,
                transport.PeerAddress().host(), status.message);
  }
  return status;
}

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::Code>(status.code()), std::string(status.message())};
}

void AddCertificateAuthority(loop::Loop& loop, ControlPlane* plane,
                             grpc::ServiceRegistry* services) {
  const auto refusals =
      std::make_shared<kubernetes::ProblemLog>(loop, plane->log(), telemetry::LogComponent::kCa);
  services->AddUnary(
      kGetTrustBundle,
      [plane](const grpc::ServerCall&, const std::string&,
              std::unique_ptr<grpc::UnaryReply> reply) {
        cav1::GetTrustBundleResponse response;
        AddRoots(plane->authority().roots_for_joining_pem(), response.mutable_trust_bundle());
        reply->Send(response.SerializeAsString());
      },
      kLargestRequest);
  services->AddUnary(
      kCreateCertificate,
      [plane, refusals](const grpc::ServerCall& call, const std::string& request,
                        std::unique_ptr<grpc::UnaryReply> reply) {
        const Transport& transport = call.transport();
        const std::string_view authorization =
            call.head().headers.Get(http::HeaderId::kAuthorization);
        const PeerIdentity* peer = transport.peer();
        const Origin origin{transport.PeerAddress().host(), peer == nullptr ? "" : peer->spiffe_id};
        Admission& admission = plane->admission();
        if (!admission.NeedsReview(transport, authorization)) {
          const auto caller = admission.Authenticate(transport, authorization);
          if (caller.ok() && peer != nullptr) {
            const absl::Status may = admission.CheckMayRenew(*caller);
            if (!may.ok()) return Answer(plane, may, origin, request, *reply);
          }
          return Answer(plane, caller, origin, request, *reply);
        }
        // The heads of many calls may come before the first body.
        if (const absl::Status room = admission.HasRoomForReview(transport); !room.ok())
          return Answer(plane, room, origin, request, *reply);
        admission.Review(transport, authorization,
                         [plane, refusals, origin, request,
                          reply = std::move(reply)](const absl::StatusOr<Caller>& caller) {
                           AnswerReviewed(plane, refusals.get(), caller, origin, request, *reply);
                         });
      },
      kLargestRequest);
}

}  // namespace tulle::server
