#include "sidecar/proxy/unprocessed.h"

#include "sidecar/proxy/caller.h"
#include "sidecar/proxy/http_chain.h"

namespace tulle::proxy {
namespace {

constexpr std::string_view kUnprocessed = "x-tulle-unprocessed";
constexpr std::string_view kGrpcUnavailable = "14";

bool IsInbound(const Call& call) { return call.chain.direction == config::Direction::kInbound; }

bool IsMember(const PeerIdentity* peer) { return peer != nullptr && !peer->spiffe_id.empty(); }

}  // namespace

void MarkUnprocessed(const Call& call, const Answer& answer) {
  const FailureFacts& facts = answer.failure.facts();
  if (!IsInbound(call) || facts.origin != FailureOrigin::kUpstream ||
      facts.processed != Processed::kNo || !IsMember(call.caller.identity())) {
    return;
  }
  answer.head->headers.Set(kUnprocessed, "true");
}

bool TakeUnprocessed(const Call& call, http::Head& response, const Transport* from) {
  if (response.status != 503 &&
      response.headers.Get(http::HeaderId::kGrpcStatus) != kGrpcUnavailable) {
    return false;
  }
  if (response.headers.Find(kUnprocessed) == nullptr) return false;
  const bool from_mesh = !IsInbound(call) && from != nullptr && IsMember(from->peer());
  if (from_mesh || IsInbound(call)) response.headers.Remove(kUnprocessed);
  return from_mesh;
}

}  // namespace tulle::proxy
