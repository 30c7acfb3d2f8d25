#include "control-plane/cli/kinds.h"

#include <cctype>

#include "control-plane/cli/suggestion.h"
#include "control-plane/cli/trouble.h"
#include "control-plane/policy/model.h"

namespace tulle::cli {
namespace {

using policy::Kind;

struct ShortKind {
  std::string_view word;
  Kind kind;
};

constexpr ShortKind kShort[] = {
    {"hr", Kind::kHttpRoute},           {"rp", Kind::kResiliencePolicy},
    {"ap", Kind::kAuthorizationPolicy}, {"pa", Kind::kPeerAuthentication},
    {"es", Kind::kExternalService},     {"tp", Kind::kTelemetryPolicy},
    {"ep", Kind::kEgressPolicy},
};

std::string Lower(std::string_view text) {
  std::string lower;
  for (const char c : text) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

}  // namespace

absl::StatusOr<std::string> KindNamed(const std::string& word) {
  std::optional<Kind> kind = policy::ParseKind(word);
  for (const ShortKind& each : kShort) {
    if (each.word == word) kind = each.kind;
  }
  if (kind) return std::string(policy::ToText(*kind));
  return Trouble("\"" + word + "\" is no kind of policy",
                 DidYouMean(word, KindWords(),
                            "One of httproutes (hr), resiliencepolicies (rp), "
                            "authorizationpolicies (ap), peerauthentications (pa), "
                            "externalservices (es), telemetrypolicies (tp), egresspolicies (ep)"));
}

std::string ShortName(const std::string& kind, const std::string& name) {
  return Lower(kind) + "/" + name;
}

std::vector<std::string> KindWords() {
  std::vector<std::string> words;
  for (const ShortKind& each : kShort) words.push_back(Lower(policy::ToText(each.kind)));
  return words;
}

}  // namespace tulle::cli
