#include "control-plane/policy/model.h"

#include <cctype>

namespace tulle::policy {
namespace {

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) !=
        std::tolower(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

}  // namespace

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
