#include "k8s/cni/annotations.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "k8s/inject/settings.h"
#include "k8s/inject/wishes.h"

namespace tulle::cni {
namespace {

// Those that the injection knows: a pod's author may have written thousands of others.
inject::Json KnownOf(const nlohmann::json& annotations) {
  inject::Json known = inject::Json::object();
  for (const std::string& name : inject::AnnotationNames()) {
    const auto found = annotations.find(name);
    if (found == annotations.end()) continue;
    known[name] = found->is_string() ? inject::Json(found->get<std::string>()) : inject::Json();
  }
  return known;
}

}  // namespace

absl::StatusOr<std::optional<init::Options>> WantedOf(const nlohmann::json& annotations) {
  if (!annotations.is_object()) return std::nullopt;
  const auto redirection = annotations.find(std::string(inject::kRedirectionAnnotation));
  if (redirection == annotations.end()) return std::nullopt;
  const std::string value = redirection->is_string() ? redirection->get<std::string>() : "";
  if (value != inject::kByCni) {
    return absl::InvalidArgumentError(
        absl::StrCat("annotation tulle.dev/redirection: unknown value ", inject::Quoted(value)));
  }
  const auto wishes = inject::ReadWishes({{"annotations", KnownOf(annotations)}}, {});
  if (!wishes.ok()) return wishes.status();
  auto options = init::ParseOptions(inject::RedirectionArguments(*wishes));
  if (!options.ok()) return options.status();
  return *std::move(options);
}

}  // namespace tulle::cni
