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
  ParsedFile parsed =
      ParseDocuments(object.dump(-1, ' ', false, StoredJson::error_handler_t::replace), "", key.ns);
  if (!parsed.ok()) return {std::nullopt, SummaryOf(parsed.problems)};
  Document& document = parsed.documents.front();
  // Who may write policies in one namespace has no say in others.
  if (IsForTheMesh(document) && key.ns != mesh_namespace) {
    return {std::nullopt, "spec.targetRef.kind: a policy for the whole mesh must be in namespace " +
                              std::string(mesh_namespace)};
  }
  return {std::move(document), ""};
}

}  // namespace tulle::policy
