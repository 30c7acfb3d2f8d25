#include "control-plane/server/step_watch.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/kubernetes/roots_freshness.h"

namespace tulle::server {
namespace {

using ca::RotationPhase;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kTick{1};
// Whoever moves is counted twice until its former connection is given up.
constexpr seconds kReportSurplusAfter{60};
constexpr seconds kSlack{1};
// A certificate that was signed just before may arrive so much later: sidecars wait that long.
constexpr seconds kCertificateOnItsWay{10};
// Pods that were created later have never been connected to a replica without the step. The clock
// of the API server, which says when, may differ from the leader's.
constexpr seconds kClocksDiffer{10};
// What others said earlier was repeated or does not count any more.
constexpr seconds kAllHaveSaid =
    kClocksDiffer + std::chrono::duration_cast<seconds>(ca::StepAgreement::kLasts);

milliseconds TimeToSettle(RotationPhase phase) {
  const auto adopted =
      std::chrono::duration_cast<milliseconds>(kubernetes::RootsFreshness::kLasts) + kSlack;
  return phase == RotationPhase::kRenewing ? adopted + kCertificateOnItsWay : adopted;
}

}  // namespace

StepWatch::StepWatch(Parts parts)
    : parts_(std::move(parts)), problems_(parts_.loop, parts_.log, telemetry::LogComponent::kCa) {
  parts_.authority.rotation().AwaitSettling();
  tick_ = parts_.loop.NewTimer([this] { Tick(); });
  tick_->Start(kTick);
}

milliseconds StepWatch::Now() const {
  return std::chrono::duration_cast<milliseconds>(parts_.loop.Now().time_since_epoch());
}

void StepWatch::Tick() {
  tick_->Start(kTick);
  ca::RootRotation& rotation = parts_.authority.rotation();
  if (rotation.phase() == RotationPhase::kSteady) {
    step_.clear();
    if (parts_.is_leader()) parts_.withdraw();
    return;
  }
  Enter(absl::StrCat(NameOf(rotation.phase()), "@", rotation.since()));
  if (!parts_.for_each_pod(nullptr)) return;
  if (!rotation.is_settled() && Now() - entered_at_ >= TimeToSettle(rotation.phase())) {
    rotation.Settle();
    parts_.resend_roots();
  }
  Awaited awaited;
  const ca::Statement own = Count(&awaited);
  parts_.publish(own.ToText());
  Agree(own, awaited);
}

void StepWatch::Enter(const std::string& step) {
  if (std::exchange(step_, step) == step) return;
  entered_at_ = no_surplus_at_ = Now();
  are_all_ready_ = false;
}

int64_t StepWatch::WallNow() const {
  const auto to_now = parts_.loop.WallNow().time_since_epoch();
  return std::chrono::duration_cast<seconds>(to_now).count();
}

int64_t StepWatch::SettledEverywhere() const {
  const ca::RootRotation& rotation = parts_.authority.rotation();
  const milliseconds since_begin = TimeToSettle(rotation.phase()) + kClocksDiffer;
  return rotation.since() + std::chrono::duration_cast<seconds>(since_begin).count();
}

bool StepWatch::AreFormerOver(seconds ago) const {
  return WallNow() >= SettledEverywhere() + parts_.authority.svid_lifetime_seconds() + ago.count();
}

ca::Statement StepWatch::Count(Awaited* awaited) {
  ca::RootRotation& rotation = parts_.authority.rotation();
  const int64_t now = WallNow();
  const int64_t last = SettledEverywhere();
  // Only the leader's rotation does so by itself.
  rotation.ForgetExpired(now);
  const std::set<std::string> ready = rotation.ready();
  std::set<std::string> pods;
  ca::Statement own{step_, {}, rotation.waits_until(now) != 0};
  parts_.for_each_pod([&](const Pod& pod) {
    if (!pod.has_address) return rotation.OnEnded(pod.uid);
    pods.insert(pod.uid);
    if (pod.created_at > last) return;
    awaited->sum.Add(pod.uid);
    awaited->uids.push_back(pod.uid);
    if (ready.contains(pod.uid)) own.ready.Add(pod.uid);
    if (rotation.HolderOf(pod.uid)) return;
    // It may be connected to another replica, and have another certificate from there.
    rotation.OnConnected(pod.uid);
    rotation.OnDisconnected(pod.uid, now);
  });
  const bool are_former_over = AreFormerOver(seconds(0));
  for (const std::string& node : rotation.waiting())
    own.waits |= !pods.contains(node) || (are_former_over && rotation.IsAlive(node, now));
  return own;
}

void StepWatch::WatchSurplus(uint64_t ready, uint64_t awaited) {
  if (ready <= awaited) {
    no_surplus_at_ = Now();
    return;
  }
  if (!parts_.is_leader() || Now() - no_surplus_at_ < kReportSurplusAfter) return;
  problems_.Report(absl::StrCat(
      "root rotation: ", ready - awaited,
      " sidecars are counted twice, since they are connected to two replicas of tulle-control. The "
      "rotation continues when each is connected to one, or after the time of --svid-ttl"));
}

std::string StepWatch::ReasonOf(uint64_t ready, uint64_t awaited) const {
  const ca::StepAgreement::Waiting others = agreement_.WhoWaits(step_, Now());
  std::vector<std::string> reasons;
  if (!parts_.authority.rotation().is_settled()) {
    reasons.push_back("all replicas of tulle-control to adopt this step");
  } else if (!are_all_ready_ && ready > awaited) {
    reasons.push_back(
        absl::StrCat(ready - awaited, " sidecars to be connected to one replica only"));
  } else if (!are_all_ready_) {
    reasons.push_back(absl::StrCat(awaited - ready, " of ", awaited, " pods"));
  }
  if (!others.heard.empty()) {
    reasons.push_back(
        absl::StrCat("sidecars that ", absl::StrJoin(others.heard, ", "), " waits for"));
  }
  if (!others.silent.empty()) {
    reasons.push_back(
        absl::StrCat(absl::StrJoin(others.silent, ", "),
                     ", which says nothing any more and was waiting for sidecars of its own"));
  }
  return absl::StrJoin(reasons, "; ");
}

void StepWatch::Agree(const ca::Statement& own, const Awaited& awaited) {
  ca::RootRotation& rotation = parts_.authority.rotation();
  agreement_.Hear(parts_.statements(), Now());
  const bool are_former_over = AreFormerOver(kAllHaveSaid);
  using Silent = ca::StepAgreement::Silent;
  const ca::Statement others =
      agreement_.Sum(step_, Now(), are_former_over ? Silent::kIgnored : Silent::kWait);
  ca::PodSum ready = own.ready;
  ready.Add(others.ready);
  // What was said about a pod stays true.
  are_all_ready_ |= rotation.is_settled() && ready == awaited.sum;
  const bool may_step = are_all_ready_ || (are_former_over && !own.waits && !others.waits);
  rotation.SetOthersWait(others.waits || !may_step, ReasonOf(ready.count(), awaited.sum.count()));
  if (!may_step) return WatchSurplus(ready.count(), awaited.sum.count());
  for (const std::string& uid : awaited.uids) rotation.OnReadyElsewhere(uid);
}

}  // namespace tulle::server
