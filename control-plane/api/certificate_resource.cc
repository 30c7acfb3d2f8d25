#include "control-plane/api/answers.h"
#include "control-plane/api/change_events.h"
#include "control-plane/api/identity_json.h"
#include "control-plane/api/identity_resources.h"
#include "control-plane/insight/event_subjects.h"

namespace tulle::api {
namespace {

const char* TextOf(ca::RotationPhase phase) {
  switch (phase) {
    case ca::RotationPhase::kSteady:
      return "steady";
    case ca::RotationPhase::kAnnouncing:
      return "announcing the new root";
    case ca::RotationPhase::kRenewing:
      break;
  }
  return "renewing certificates";
}

}  // namespace

Routes CertificateResource::routes() {
  return {
      {"GET", "/v1/certs", Access::kReader, "Show the roots and the state of their rotation",
       By(this, &CertificateResource::Show)},
      {"POST",
       "/v1/certs/issue",
       Access::kAdmin,
       "Issue a certificate for a CSR: {account, namespace, csr, ttlSeconds}",
       By(this, &CertificateResource::Issue),
       {},
       kJsonBody},
      {"POST",
       "/v1/certs/rotate",
       Access::kAdmin,
       "Start a rotation of the root; {force: true}: carry out the step that a rotation in "
       "progress waits for, whoever is not ready",
       By(this, &CertificateResource::Rotate),
       {},
       kJsonBody},
  };
}

ApiResponse CertificateResource::Issue(const Call& call) {
  Json json;
  ApiResponse refusal;
  std::optional<certs::SpiffeId> id;
  std::string csr;
  int64_t seconds = 0;
  if (!ReadObject(call.request, {"account", "namespace", "csr", "ttlSeconds"}, &json, &refusal) ||
      !ReadIdentity(json, authority_->trust_domain(), &id, &refusal) ||
      !ReadText(json, "csr", &csr, &refusal) ||
      !ReadSeconds(json, "ttlSeconds", &seconds, &refusal)) {
    return refusal;
  }
  const auto issued =
      authority_->Issue(*id, csr, seconds == 0 ? std::nullopt : std::optional<int64_t>(seconds),
                        ca::MeshAuthority::Holder::kFile, call.now);
  if (!issued.ok()) return Refuse(issued.status());
  ApiResponse response = Answer({{"certificate", issued->certificate_pem},
                                 {"trustBundle", issued->trust_bundle_pem},
                                 {"notAfter", issued->not_after},
                                 {"spiffeId", issued->spiffe_id}},
                                201);
  response.event = call.caller.name + " issued a certificate for " + issued->spiffe_id;
  response.happened = {EventBy(call, "CertificateIssued",
                               insight::IdentitySubject(issued->spiffe_id),
                               "issued a certificate for a file")};
  return response;
}

ApiResponse CertificateResource::Rotate(const Call& call) {
  Json json;
  ApiResponse refusal;
  if (!ReadObject(call.request, {"force"}, &json, &refusal)) return refusal;
  const Json force = json.value("force", Json(false));
  if (!force.is_boolean()) return Refuse(400, "expected true or false", "", "force");
  const absl::Status status =
      force.get<bool>() ? authority_->ForceRotation(call.now) : authority_->BeginRotation(call.now);
  if (!status.ok()) return Refuse(status);
  // Done at once if there is no workload to wait for. A step that fails is tried again later.
  for (auto stepped = absl::StatusOr<bool>(true); stepped.ok() && *stepped;) {
    stepped = authority_->AdvanceRotation(call.now);
  }
  on_change_();
  ApiResponse response = Show(call);
  response.event =
      call.caller.name + (force.get<bool>() ? " forced" : " started") + " a root rotation";
  response.happened = {
      EventBy(call, "RootRotationRequested", {"Root", "", authority_->trust_domain()},
              force.get<bool>() ? "forced a root rotation" : "started a root rotation")};
  return response;
}

ApiResponse CertificateResource::Show(const Call& call) {
  const ca::RootRotation& rotation = authority_->rotation();
  const auto& root = authority_->signing().certificate();
  return Answer({{"trustDomain", authority_->trust_domain()},
                 {"phase", TextOf(rotation.phase())},
                 {"since", rotation.since()},
                 {"waitingFor", rotation.waiting()},
                 {"waitsUntil", rotation.waits_until(call.now)},
                 {"waitsForOthers", rotation.others_reason()},
                 {"signingRoot",
                  {{"sha256", root.sha256()},
                   {"notBefore", root.not_before()},
                   {"notAfter", root.not_after()}}},
                 {"trustBundle", authority_->trust_bundle_pem()}});
}

}  // namespace tulle::api
