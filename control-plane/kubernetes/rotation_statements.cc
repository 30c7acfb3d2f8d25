#include "control-plane/kubernetes/rotation_statements.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/leader_lease.h"

namespace tulle::kubernetes {
namespace {

using k8s::Json;

constexpr std::string_view kPrefix = "rotation.tulle.dev/";
constexpr size_t kLongestName = 63;  // of an annotation's key, after the prefix
constexpr std::chrono::seconds kAtMostEvery{2};
constexpr std::chrono::seconds kAtLeastEvery{5};

// The end of a replica's name distinguishes it.
std::string KeyOf(std::string replica) {
  if (replica.size() > kLongestName) replica.erase(0, replica.size() - kLongestName);
  while (!replica.empty() && !absl::ascii_isalnum(static_cast<unsigned char>(replica.front())))
    replica.erase(0, 1);
  return absl::StrCat(std::string(kPrefix), replica);
}

}  // namespace

RotationStatements::RotationStatements(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                                       const std::string& replica)
    : loop_(loop),
      client_(client),
      problems_(loop, log, telemetry::LogComponent::kCa),
      key_(KeyOf(replica)) {}

// The number of the write makes each of them another text.
void RotationStatements::Publish(const std::string& statement) {
  const loop::Duration age = loop_.Now() - written_at_;
  const bool is_due = statement != published_ ? age >= kAtMostEvery : age >= kAtLeastEvery;
  if (call_ != nullptr || (writes_ > 0 && !is_due)) return;
  published_ = statement;
  written_at_ = loop_.Now();
  Write({{key_, absl::StrCat(statement, " ", ++writes_)}});
}

void RotationStatements::Clear() {
  published_.clear();
  if (call_ != nullptr || (others_.empty() && !has_own_)) return;
  Json annotations{{key_, nullptr}};
  for (const auto& [key, text] : others_) annotations[key] = nullptr;
  others_.clear();
  has_own_ = false;
  Write(std::move(annotations));
}

void RotationStatements::OnLease(const Json& lease) {
  others_.clear();
  has_own_ = false;
  const Json& annotations = k8s::At(lease, {"metadata", "annotations"});
  if (!annotations.is_object()) return;
  for (const auto& [key, text] : annotations.items()) {
    if (!key.starts_with(kPrefix) || !text.is_string()) continue;
    if (key == key_) {
      has_own_ = true;
    } else {
      others_[key] = text.get<std::string>();
    }
  }
}

void RotationStatements::Write(Json annotations) {
  const Json change{{"metadata", {{"annotations", std::move(annotations)}}}};
  call_ = client_.Send(
      k8s::MergePatch(LeaderLease::Path(), change.dump()), [this](const k8s::Answer& answer) {
        loop_.DeferDelete(std::move(call_));
        if (answer.ok()) return;
        problems_.Report(
            absl::StrCat("cannot tell other replicas about the rotation: ", answer.error));
      });
}

}  // namespace tulle::kubernetes
