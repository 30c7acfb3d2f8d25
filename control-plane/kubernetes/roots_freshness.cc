#include "control-plane/kubernetes/roots_freshness.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/names.h"
#include "control-plane/kubernetes/roots_secret.h"
#include "k8s/api/json.h"

namespace tulle::kubernetes {
namespace {

constexpr char kMetadataAlone[] = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

}  // namespace

RootsFreshness::RootsFreshness(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                               std::function<void()> on_change)
    : loop_(loop),
      client_(client),
      log_(log),
      on_change_(std::move(on_change)),
      problems_(loop, log, telemetry::LogComponent::kCa),
      confirmed_at_(loop.Now()) {
  next_ = loop_.NewTimer([this] { Ask(); });
  deadline_ = loop_.NewTimer([this] { OnDeadline(); });
}

void RootsFreshness::Start() {
  confirmed_at_ = loop_.Now();
  deadline_->Start(kCutOff);
  Ask();
}

// Without the keys.
void RootsFreshness::Ask() {
  k8s::Request request;
  request.target =
      absl::StrCat("/api/v1/namespaces/", kControlNamespace, "/secrets/", kRootsSecret);
  request.accept = kMetadataAlone;
  call_ = client_.Send(request, [this, sent = loop_.Now()](const k8s::Answer& answer) {
    loop_.DeferDelete(std::move(call_));
    OnAnswer(answer, sent);
    next_->Start(kEvery);
  });
}

void RootsFreshness::OnAnswer(const k8s::Answer& answer, loop::Instant sent) {
  if (!answer.ok()) {
    return problems_.Report(absl::StrCat("cannot read the version of Secret ", kControlNamespace,
                                         "/", kRootsSecret, ": ", answer.error));
  }
  const k8s::Json secret = k8s::Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  asked_ = k8s::TextAt(secret, {"metadata", "resourceVersion"});
  asked_at_ = sent;
  Compare();
}

void RootsFreshness::OnAdopted(const std::string& version) {
  adopted_ = version;
  Compare();
}

void RootsFreshness::Compare() {
  if (asked_.empty() || asked_ != adopted_ || asked_at_ + kLasts <= loop_.Now()) return;
  const bool was_current = is_current();
  if (std::exchange(was_cut_off_, false)) {
    const auto away = std::chrono::duration_cast<std::chrono::seconds>(loop_.Now() - confirmed_at_);
    log_.Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kCa,
               absl::StrCat("this replica knows the roots of the mesh again, after ", away.count(),
                            " s without the API server"));
  }
  confirmed_at_ = asked_at_;
  is_confirmed_ = true;
  deadline_->Start(confirmed_at_ + kLasts - loop_.Now());
  if (!was_current) on_change_();
}

void RootsFreshness::OnDeadline() {
  if (!is_cut_off()) {
    deadline_->Start(confirmed_at_ + kCutOff - loop_.Now());
    return on_change_();
  }
  was_cut_off_ = true;
  ++times_cut_off_;
  log_.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kCa,
             absl::StrCat("this replica could not confirm the version of Secret ",
                          kControlNamespace, "/", kRootsSecret, " for ",
                          std::chrono::duration_cast<std::chrono::seconds>(kCutOff).count(),
                          " s: it signs no certificates until it can, and is not ready if there "
                          "are other replicas"));
  on_change_();
}

}  // namespace tulle::kubernetes
