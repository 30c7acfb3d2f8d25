#include "control-plane/policy/model.h"

#include <re2/re2.h>

#include "control-plane/policy/names.h"

namespace tulle::policy {

std::string PatternOf(const RpcMatch& rpc) {
  const auto part = [&rpc](const std::string& text) {
    if (text.empty()) return std::string("[^/]+");
    return rpc.is_regex ? "(?:" + text + ")" : RE2::QuoteMeta(text);
  };
  return "/" + part(rpc.service) + "/" + part(rpc.method);
}

const Route* RouteIn(const Document& document) {
  if (const auto* route = std::get_if<GrpcRoute>(&document.spec)) return route;
  return std::get_if<HttpRoute>(&document.spec);
}

std::string ToText(const DocumentKey& key) {
  return std::string(ToText(key.kind)) + " " + key.ns + "/" + key.name;
}

std::string ToText(const Target& target) {
  switch (target.kind) {
    case TargetKind::kMesh:
      return "the mesh";
    case TargetKind::kNamespace:
      return "Namespace " + target.ns;
    case TargetKind::kService:
      break;
  }
  return "Service " + target.ns + "/" + target.name;
}

std::string_view ToText(Protocol protocol) {
  switch (protocol) {
    case Protocol::kHttp:
      return "http";
    case Protocol::kGrpc:
      return "grpc";
    case Protocol::kTcp:
      return "tcp";
    case Protocol::kAuto:
      break;
  }
  return "auto";
}

std::optional<Protocol> ParseProtocol(std::string_view text) {
  for (const Protocol protocol :
       {Protocol::kHttp, Protocol::kGrpc, Protocol::kTcp, Protocol::kAuto}) {
    if (EqualsIgnoringCase(text, ToText(protocol))) return protocol;
  }
  return std::nullopt;
}

}  // namespace tulle::policy
