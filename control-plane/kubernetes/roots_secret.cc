#include "control-plane/kubernetes/roots_secret.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "control-plane/kubernetes/names.h"

namespace tulle::kubernetes {
namespace {

using k8s::Json;
using k8s::TextAt;

constexpr std::chrono::seconds kTryAgain{2};
constexpr loop::Duration kFirstBackoff = std::chrono::seconds(1);
constexpr loop::Duration kLastBackoff = std::chrono::minutes(1);
constexpr int kTooLarge[] = {413, 422};

std::string Secrets() { return absl::StrCat("/api/v1/namespaces/", kControlNamespace, "/secrets"); }

k8s::Resource TheSecret() {
  k8s::Resource resource{Secrets()};
  resource.only = kRootsSecret;
  return resource;
}

// Whether no replica can use the roots, so that this one is not behind.
bool IsForNobody(const absl::Status& read) {
  return absl::IsDataLoss(read) || absl::IsFailedPrecondition(read) || absl::IsAborted(read);
}

Json ToData(const std::string& roots) { return {{kRootsSecretKey, absl::Base64Escape(roots)}}; }

}  // namespace

RootsSecret::RootsSecret(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                         std::string candidate, OnRoots on_roots, OnSettled on_settled)
    : loop_(loop),
      client_(client),
      problems_(loop, log, telemetry::LogComponent::kCa),
      reflector_(loop, client, TheSecret(), {}, *this),
      roots_(std::move(candidate)),
      on_roots_(std::move(on_roots)),
      on_settled_(std::move(on_settled)),
      backoff_(kFirstBackoff) {
  retry_ = loop_.NewTimer([this] { Retry(); });
}

void RootsSecret::Retry() {
  if (untaken_.is_null()) return Create();
  const Json secret = std::exchange(untaken_, Json());
  OnUpsert({}, secret);
}

absl::Status RootsSecret::Read(const Json& secret) {
  std::string roots;
  if (!absl::Base64Unescape(TextAt(secret, {"data", kRootsSecretKey}), &roots) || roots.empty())
    return absl::DataLossError("not base64, or absent");
  // A proposal may be made from within.
  version_ = TextAt(secret, {"metadata", "resourceVersion"});
  const absl::Status used = on_roots_(roots);
  if (used.ok()) roots_ = std::move(roots);
  return used;
}

void RootsSecret::OnUpsert(const k8s::ObjectKey&, const Json& secret) {
  const absl::Status read = Read(secret);
  is_valid_ = read.ok();
  const bool is_settled = is_valid_ || IsForNobody(read);
  untaken_ = is_settled ? Json() : secret;
  if (!is_settled) retry_->Start(kTryAgain);
  if (is_settled && on_settled_) on_settled_(TextAt(secret, {"metadata", "resourceVersion"}));
  if (is_valid_) return;
  if (!absl::IsAborted(read)) version_.clear();
  problems_.Report(WhatIsWrong(read));
}

std::string RootsSecret::WhatIsWrong(const absl::Status& read) const {
  const std::string roots =
      absl::StrCat(kRootsSecretKey, " of Secret ", kControlNamespace, "/", kRootsSecret);
  const std::string message(read.message());
  if (absl::IsAborted(read)) return absl::StrCat(roots, " was changed: ", message);
  if (!IsForNobody(read)) {
    return absl::StrCat("this replica cannot use ", roots, ": ", message,
                        ". It signs no certificates and is not ready until it can; trying again");
  }
  return absl::StrCat(
      roots, " is invalid: ", message,
      ". The last valid roots stay in force, and the control plane is not ready. Restore the "
      "Secret, or delete it to have it written again with the roots that are in force");
}

void RootsSecret::OnDelete(const k8s::ObjectKey&) {
  version_.clear();
  untaken_ = Json();
  is_valid_ = true;
  problems_.Report(absl::StrCat("Secret ", kControlNamespace, "/", kRootsSecret,
                                " was deleted: creating it again with the same roots"));
  Create();
}

void RootsSecret::OnSynced() {
  if (reflector_.size() == 0) Create();
}

void RootsSecret::Create() {
  if (call_ != nullptr || reflector_.size() != 0) return;
  const Json secret{{"apiVersion", "v1"},
                    {"kind", "Secret"},
                    {"type", "Opaque"},
                    {"metadata", {{"name", kRootsSecret}, {"namespace", kControlNamespace}}},
                    {"data", ToData(roots_)}};
  call_ = client_.Send(k8s::Create(Secrets(), secret.dump()), [this](const k8s::Answer& answer) {
    OnWritten(answer);
    if (!answer.ok()) retry_->Start(kTryAgain);
  });
}

void RootsSecret::Write(const std::string& roots) {
  if (call_ != nullptr || version_.empty() || loop_.Now() < write_from_) return;
  const Json change{{"metadata", {{"resourceVersion", version_}}}, {"data", ToData(roots)}};
  call_ = client_.Send(k8s::MergePatch(absl::StrCat(Secrets(), "/", kRootsSecret), change.dump()),
                       [this](const k8s::Answer& answer) { OnWritten(answer); });
}

// The result is seen by the watch, whoever wrote it.
void RootsSecret::OnWritten(const k8s::Answer& answer) {
  loop_.DeferDelete(std::move(call_));
  const bool was_faster = answer.reason == "AlreadyExists" || answer.reason == "Conflict";
  if (answer.ok()) backoff_ = kFirstBackoff;
  if (answer.ok() || was_faster) return;
  if (answer.status >= 400 && answer.status < 500) {
    write_from_ = loop_.Now() + backoff_;
    backoff_ = std::min(backoff_ * 2, kLastBackoff);
  }
  const bool is_too_large = std::count(std::begin(kTooLarge), std::end(kTooLarge), answer.status);
  problems_.Report(absl::StrCat("cannot write Secret ", kControlNamespace, "/", kRootsSecret, ": ",
                                answer.error,
                                is_too_large ? ". If it is too large: evictions leave it when "
                                               "their certificates have expired; until then, "
                                               "evict no more identities"
                                             : ""));
}

}  // namespace tulle::kubernetes
