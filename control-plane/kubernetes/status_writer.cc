#include "control-plane/kubernetes/status_writer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "control-plane/policy/kinds.h"
#include "k8s/api/call.h"

namespace tulle::kubernetes {
namespace {

constexpr size_t kMostCalls = 4;
constexpr loop::Duration kFirstBackoff = std::chrono::seconds(1);
constexpr loop::Duration kLastBackoff = std::chrono::seconds(30);
constexpr std::chrono::seconds kLeaderCheck{2};
constexpr int kHasGone = 404;
constexpr int kConflict = 409;

}  // namespace

k8s::Request StatusPatch(const policy::DocumentKey& key, const std::string& version,
                         k8s::Json status) {
  const policy::KindEntry& kind = policy::EntryOf(key.kind);
  const k8s::Json patch{{"metadata", {{"resourceVersion", version}}},
                        {"status", std::move(status)}};
  return k8s::MergePatch(
      absl::StrCat("/apis/", std::string(kind.api_version), "/namespaces/", k8s::Escape(key.ns),
                   "/", std::string(kind.plural), "/", k8s::Escape(key.name), "/status"),
      patch.dump());
}

std::string TimeText(std::chrono::system_clock::time_point time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromChrono(time), absl::UTCTimeZone());
}

StatusWriter::StatusWriter(loop::Loop& loop, k8s::Client& client, telemetry::Log& log, Parts parts)
    : loop_(loop),
      client_(client),
      problems_(loop, log, telemetry::LogComponent::kRegistry),
      parts_(std::move(parts)),
      backoff_(kFirstBackoff) {
  retry_ = loop_.NewTimer([this] {
    due_.merge(failed_);
    failed_.clear();
    Write();
  });
}

void StatusWriter::Write() {
  const bool is_leader = parts_.is_leader();
  for (auto it = due_.begin(); it != due_.end() && calls_.size() < kMostCalls;) {
    const policy::DocumentKey key = *it;
    if (calls_.contains(key)) {
      ++it;  // after that answer
      continue;
    }
    const auto request = parts_.next(key);
    if (request && !is_leader) {
      ++it;
      continue;
    }
    it = due_.erase(it);
    if (request) Send(key, *request);
  }
  if (!is_leader && !due_.empty() && !retry_->active()) retry_->Start(kLeaderCheck);
}

void StatusWriter::Send(const policy::DocumentKey& key, const k8s::Request& request) {
  calls_[key] =
      client_.Send(request, [this, key](const k8s::Answer& answer) { OnAnswer(key, answer); });
}

void StatusWriter::OnAnswer(const policy::DocumentKey& key, const k8s::Answer& answer) {
  auto call = calls_.extract(key);
  loop_.DeferDelete(std::move(call.mapped()));
  if (answer.ok()) {
    backoff_ = kFirstBackoff;
  } else if (answer.status != kHasGone) {
    if (answer.status != kConflict) {
      problems_.Report(absl::StrCat("cannot write the status of ",
                                    std::string(policy::EntryOf(key.kind).plural), ": ",
                                    answer.error));
    }
    failed_.insert(key);
    if (!retry_->active()) {
      retry_->Start(backoff_);
      backoff_ = std::min(backoff_ * 2, kLastBackoff);
    }
  }
  Write();
}

}  // namespace tulle::kubernetes
