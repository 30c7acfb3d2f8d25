#include "control-plane/kubernetes/leader_lease.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "control-plane/kubernetes/names.h"

namespace tulle::kubernetes {
namespace {

using k8s::At;
using k8s::Json;
using k8s::TextAt;

constexpr char kLease[] = "tulle-control";
constexpr uint32_t kLongestLease = 3600;  // s

std::string Leases() {
  return absl::StrCat("/apis/coordination.k8s.io/v1/namespaces/", kControlNamespace, "/leases");
}

}  // namespace

LeaderLease::LeaderLease(loop::Loop& loop, k8s::Client& client, telemetry::Log& log,
                         Options options, std::function<void()> on_change)
    : loop_(loop),
      client_(client),
      log_(log),
      options_(std::move(options)),
      on_change_(std::move(on_change)),
      problems_(loop, log, telemetry::LogComponent::kServer) {
  next_ = loop_.NewTimer([this] { Attempt(); });
  deadline_ = loop_.NewTimer([this] {
    // Whatever is under way comes too late.
    if (call_ != nullptr) loop_.DeferDelete(std::move(call_));
    Set(false, "the Lease could not be renewed in time");
    Finish();
  });
}

std::string LeaderLease::Path() { return absl::StrCat(Leases(), "/", kLease); }

void LeaderLease::Attempt() {
  k8s::Request read;
  read.target = Path();
  call_ = client_.Send(read, [this](const k8s::Answer& answer) {
    loop_.DeferDelete(std::move(call_));
    OnRead(answer);
  });
}

void LeaderLease::OnRead(const k8s::Answer& answer) {
  if (answer.status == 404) return Write(Json());
  if (!answer.ok()) {
    problems_.Report(absl::StrCat("cannot read Lease ", kLease, ": ", answer.error));
    return Finish();
  }
  const Json lease = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  version_ = TextAt(lease, {"metadata", "resourceVersion"});
  if (options_.on_read) options_.on_read(lease);
  // Annotations of others are no sign of life of the leader.
  const Json& spec = At(lease, {"spec"});
  if (spec != observed_) {
    observed_ = spec;
    observed_at_ = loop_.Now();
  }
  if (MayTake(spec)) return Write(lease);
  Set(false, absl::StrCat("the leader is ", TextAt(spec, {"holderIdentity"})));
  Finish();
}

bool LeaderLease::MayTake(const Json& spec) const {
  const std::string holder = TextAt(spec, {"holderIdentity"});
  if (holder.empty() || holder == options_.identity) return true;
  const uint32_t seconds = std::min(k8s::NumberAt(spec, {"leaseDurationSeconds"}), kLongestLease);
  const loop::Duration life = seconds == 0 ? options_.duration : std::chrono::seconds(seconds);
  return loop_.Now() - observed_at_ >= life;
}

Json LeaderLease::NewSpec(const Json& old) const {
  const std::string now = MicroTime();
  Json spec{{"holderIdentity", options_.identity},
            {"leaseDurationSeconds",
             std::chrono::duration_cast<std::chrono::seconds>(options_.duration).count()},
            {"renewTime", now}};
  const uint32_t transitions = k8s::NumberAt(old, {"leaseTransitions"});
  if (TextAt(old, {"holderIdentity"}) == options_.identity) {
    spec["acquireTime"] = TextAt(old, {"acquireTime"});
    spec["leaseTransitions"] = transitions;
  } else {
    spec["acquireTime"] = now;
    spec["leaseTransitions"] = old.is_null() ? 0 : transitions + 1;
  }
  return spec;
}

void LeaderLease::Write(const Json& lease) {
  Json metadata{{"name", kLease}, {"namespace", kControlNamespace}};
  if (!lease.is_null()) {
    metadata["resourceVersion"] = version_;
  }
  const Json changed{{"apiVersion", "coordination.k8s.io/v1"},
                     {"kind", "Lease"},
                     {"metadata", std::move(metadata)},
                     {"spec", NewSpec(At(lease, {"spec"}))}};
  const k8s::Request request = lease.is_null() ? k8s::Create(Leases(), changed.dump())
                                               : k8s::MergePatch(Path(), changed.dump());
  call_ = client_.Send(request, [this, sent = loop_.Now()](const k8s::Answer& answer) {
    loop_.DeferDelete(std::move(call_));
    OnWritten(answer, sent);
  });
}

// Counts from when the request was sent: others have seen the change after that.
void LeaderLease::OnWritten(const k8s::Answer& answer, loop::Instant sent) {
  if (answer.ok()) {
    const Json lease = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    version_ = TextAt(lease, {"metadata", "resourceVersion"});
    const loop::Duration left = sent + options_.renew_deadline - loop_.Now();
    if (left.count() > 0) {
      valid_until_ = sent + options_.renew_deadline;
      deadline_->Start(left);
      Set(true, "");
    }
  } else if (answer.reason != "Conflict" && answer.reason != "AlreadyExists") {
    problems_.Report(absl::StrCat("cannot write Lease ", kLease, ": ", answer.error));
  }
  Finish();
}

void LeaderLease::Release(std::function<void()> done) {
  next_->Stop();
  deadline_->Stop();
  if (call_ != nullptr) loop_.DeferDelete(std::move(call_));
  if (!is_leader()) return done();
  Set(false, "it ends");
  const Json free{{"metadata", {{"resourceVersion", version_}}},
                  {"spec", {{"holderIdentity", ""}, {"leaseDurationSeconds", 1}}}};
  call_ = client_.Send(k8s::MergePatch(Path(), free.dump()),
                       [done = std::move(done)](const k8s::Answer&) { done(); });
}

void LeaderLease::Finish() {
  if (!is_leader_) deadline_->Stop();
  // Who waits must not ask in step with others.
  const auto jitter = static_cast<uint64_t>(is_leader_ ? 0 : options_.retry.count() * 6 / 5);
  next_->Start(options_.retry +
               loop::Duration(static_cast<int64_t>(loop_.random().Below(jitter + 1))));
}

void LeaderLease::Set(bool is_leader, const std::string& why) {
  if (std::exchange(is_leader_, is_leader) == is_leader) return;
  ++changes_;
  log_.Write(telemetry::LogLevel::kInfo, telemetry::LogComponent::kServer,
             is_leader ? absl::StrCat("this replica is the leader now: ", options_.identity)
                       : absl::StrCat("this replica is not the leader any more: ", why));
  on_change_();
}

std::string LeaderLease::MicroTime() const {
  const auto since = loop_.WallNow().time_since_epoch();
  const absl::Time now =
      absl::FromUnixMicros(std::chrono::duration_cast<std::chrono::microseconds>(since).count());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", now, absl::UTCTimeZone());
}

}  // namespace tulle::kubernetes
