#include "control-plane/policy/stored_policy.h"

#include <utility>
#include <variant>

#include "control-plane/policy/parse.h"

namespace tulle::policy {
namespace {

using StoredJson = nlohmann::json;

constexpr size_t kMostInSummary = 3;
constexpr size_t kLongestSummary = 4096;

bool IsForTheMesh(const Document& document) {
  return std::visit(
      [](const auto& spec) {
        if constexpr (requires { spec.target; }) return spec.target.kind == TargetKind::kMesh;
        return false;
      },
      document.spec);
}

StoredJson MemberOf(const StoredJson& spec, const char* name) {
  if (!spec.is_object()) return nullptr;
  const auto found = spec.find(name);
  return found == spec.end() ? StoredJson() : *found;
}

// Null: the kind forbids nothing.
StoredJson StrictestSpec(Kind kind, const StoredJson& spec) {
  StoredJson strict{{"targetRef", MemberOf(spec, "targetRef")}};
  if (kind == Kind::kPeerAuthentication) {
    strict["mode"] = "STRICT";
  } else if (kind == Kind::kEgressPolicy) {
    strict["unknownDestinations"] = "DENY";
  } else if (kind != Kind::kAuthorizationPolicy) {
    return nullptr;
  } else if (MemberOf(spec, "action") == "ALLOW") {
    strict["action"] = "ALLOW";  // without rules: nothing, but what other policies allow
  } else {
    strict["action"] = "DENY";
    strict["rules"] = StoredJson::array({StoredJson::object()});
  }
  return strict;
}

std::string EffectOf(const Document& strictest) {
  if (const auto* peer = std::get_if<PeerAuthentication>(&strictest.spec))
    return "the mode of " + ToText(peer->target) + " is STRICT";
  if (const auto* egress = std::get_if<EgressPolicy>(&strictest.spec))
    return "unknown destinations are denied for " + ToText(egress->target);
  const auto& authorization = std::get<AuthorizationPolicy>(strictest.spec);
  const std::string target = ToText(authorization.target);
  return authorization.action == AuthorizationAction::kAllow
             ? "this policy allows no requests to " + target
             : "all requests to " + target + " are denied";
}

}  // namespace

std::string SummaryOf(const Problems& problems) {
  std::string text;
  for (size_t i = 0; i < problems.size() && i < kMostInSummary; ++i) {
    const Problem& each = problems[i];
    if (i > 0) text += "; ";
    if (!each.field.empty()) text += each.field + ": ";
    text += each.message;
    if (!each.hint.empty()) text += " (" + each.hint + ")";
  }
  if (problems.size() > kMostInSummary)
    text += "; and " + std::to_string(problems.size() - kMostInSummary) + " more";
  // The cut may fall inside a character: as the API server will give it back.
  const StoredJson json(text.substr(0, kLongestSummary));
  return StoredJson::parse(json.dump(-1, ' ', false, StoredJson::error_handler_t::replace));
}

StoredPolicy ReadStoredPolicy(const DocumentKey& key, const nlohmann::json& spec,
                              std::string_view mesh_namespace) {
  const StoredJson object{{"apiVersion", kTulleApiVersion},
                          {"kind", ToText(key.kind)},
                          {"metadata", {{"name", key.name}, {"namespace", key.ns}}},
                          {"spec", spec}};
  ParsedFile parsed = ParseObject(object, key.ns);
  if (!parsed.ok()) return {std::nullopt, SummaryOf(parsed.problems)};
  Document& document = parsed.documents.front();
  // Who may write policies in one namespace has no say in others.
  if (IsForTheMesh(document) && key.ns != mesh_namespace) {
    return {std::nullopt, "spec.targetRef.kind: a policy for the whole mesh must be in namespace " +
                              std::string(mesh_namespace)};
  }
  return {std::move(document), ""};
}

std::optional<StrictestPolicy> StrictestOf(const DocumentKey& key, const nlohmann::json& spec,
                                           std::string_view mesh_namespace) {
  const StoredJson strictest = StrictestSpec(key.kind, spec);
  if (strictest.is_null()) return std::nullopt;
  StoredPolicy read = ReadStoredPolicy(key, strictest, mesh_namespace);
  if (!read.document) return std::nullopt;
  std::string effect = EffectOf(*read.document);
  return StrictestPolicy{*std::move(read.document), std::move(effect)};
}

}  // namespace tulle::policy
