// Source: Kubernetes API Concepts (discovery); meta/v1 APIResourceList.
#include "control-plane/kubernetes/served_resources.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "k8s/api/json.h"

namespace tulle::kubernetes {
namespace {

constexpr std::chrono::seconds kInterval{10};
constexpr std::chrono::seconds kSoon{1};
constexpr int kNoSuchVersion = 404;

}  // namespace

ServedResources::ServedResources(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                                 std::string path, OnAnswer on_answer)
    : loop_(loop),
      client_(client),
      problems_(loop, log, telemetry::LogComponent::kRegistry),
      path_(std::move(path)),
      on_answer_(std::move(on_answer)) {
  again_ = loop_.NewTimer([this] { Ask(); });
}

void ServedResources::Ask() {
  if (!client_.ready()) return client_.Await(*this);
  k8s::Request request;
  request.target = path_;
  call_ = client_.Send(request, [this](const k8s::Answer& answer) {
    loop_.DeferDelete(std::move(call_));
    Read(answer);
  });
}

void ServedResources::Read(const k8s::Answer& answer) {
  if (!answer.ok() && answer.status != kNoSuchVersion) {
    problems_.Report(absl::StrCat("API discovery of ", path_, " failed: ", answer.error));
    return again_->Start(kSoon);
  }
  again_->Start(kInterval);
  std::set<std::string> seen;
  const k8s::Json list = k8s::Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  for (const k8s::Json& each : k8s::At(list, {"resources"})) {
    seen.insert(k8s::TextAt(each, {"name"}));
  }
  ForgetAbsent(seen);
  names_.merge(seen);
  on_answer_(names_);
}

void ServedResources::ForgetAbsent(const std::set<std::string>& seen) {
  const loop::Instant now = loop_.Now();
  std::erase_if(names_, [&](const std::string& name) {
    if (seen.contains(name)) {
      absences_.erase(name);
      return false;
    }
    if (!absences_[name].Confirm(now)) return false;
    absences_.erase(name);
    return true;
  });
}

}  // namespace tulle::kubernetes
