#include "k8s/cni/annotations.h"

#include "absl/strings/str_cat.h"
#include "k8s/inject/settings.h"
#include "k8s/inject/wishes.h"

namespace tulle::cni {

absl::StatusOr<std::optional<init::Options>> WantedOf(const inject::Json& annotations) {
  if (inject::Member(annotations, inject::kRedirectionAnnotation) == nullptr) return std::nullopt;
  const std::string value = inject::TextOf(annotations, inject::kRedirectionAnnotation);
  if (value != inject::kByCni) {
    return absl::InvalidArgumentError(
        absl::StrCat("annotation tulle.dev/redirection: unknown value ", inject::Quoted(value)));
  }
  const auto wishes = inject::ReadWishes({{"annotations", annotations}}, {});
  if (!wishes.ok()) return wishes.status();
  auto options = init::ParseOptions(inject::RedirectionArguments(*wishes));
  if (!options.ok()) return options.status();
  return *std::move(options);
}

}  // namespace tulle::cni
