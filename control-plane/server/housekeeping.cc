#include "control-plane/server/housekeeping.h"

#include <malloc.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::server {
namespace {

using std::chrono::milliseconds;
using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr milliseconds kTick{1000};
constexpr milliseconds kSaveGroup{50};
constexpr int64_t kCleanEverySeconds = 3600;
constexpr int64_t kVipRetrySeconds = 10;
constexpr int64_t kReportRefusalsSeconds = 60;
constexpr int64_t kJumpSeconds = 60;
constexpr std::chrono::hours kDistrustAfterJump{1};
constexpr size_t kWorthReturning = 4 << 20;

}  // namespace

Housekeeping::Housekeeping(Parts parts) : parts_(std::move(parts)) {
  clock_ahead_ = Now() - std::chrono::duration_cast<std::chrono::seconds>(MonotonicNow()).count();
  tick_ = parts_.loop.NewTimer([this] { Tick(); });
  tick_->Start(kTick);
  save_ = parts_.loop.NewTimer([this] { parts_.authority.SaveIssued(Now()); });
  parts_.authority.SetUnsavedObserver([this] { SaveIssued(); });
}

Housekeeping::~Housekeeping() {
  parts_.authority.SetUnsavedObserver(nullptr);
  parts_.authority.SaveIssued(Now());
}

void Housekeeping::SaveIssued() {
  if (save_->active()) return;
  parts_.authority.SaveIssued(Now());
  save_->Start(kSaveGroup);
}

int64_t Housekeeping::Now() const {
  return std::chrono::duration_cast<std::chrono::seconds>(parts_.loop.WallNow().time_since_epoch())
      .count();
}

milliseconds Housekeeping::MonotonicNow() const {
  return std::chrono::duration_cast<milliseconds>(parts_.loop.Now().time_since_epoch());
}

// A root that is made right after a jump might be valid for the wrong years.
void Housekeeping::WatchClock() {
  const int64_t ahead =
      Now() - std::chrono::duration_cast<std::chrono::seconds>(MonotonicNow()).count();
  const int64_t jump = ahead - std::exchange(clock_ahead_, ahead);
  if (std::abs(jump) < kJumpSeconds) return;
  clock_trusted_from_ = MonotonicNow() + kDistrustAfterJump;
  parts_.log.Write(LogLevel::kWarning, LogComponent::kCa,
                   absl::StrCat("the clock jumped by ", jump,
                                " s: check its synchronization. Certificates are verified by it; "
                                "automatic root rotation is suspended for an hour"));
}

void Housekeeping::AdvanceRotation() {
  ca::MeshAuthority& authority = parts_.authority;
  if (!parts_.may_rotate()) return authority.SaveChanges(Now());
  if (MonotonicNow() >= clock_trusted_from_ && authority.RotationIsDue(Now())) {
    const absl::Status begun = authority.BeginRotation(Now());
    parts_.log.Write(begun.ok() ? LogLevel::kInfo : LogLevel::kError, LogComponent::kCa,
                     begun.ok() ? "root rotation: steady -> announcing, the root expires soon"
                                : begun.ToString());
    if (begun.ok()) parts_.on_roots_changed();
  }
  const auto before = ca::NameOf(authority.rotation().phase());
  const auto stepped = authority.AdvanceRotation(Now());
  if (!stepped.ok()) {
    parts_.log.Write(LogLevel::kError, LogComponent::kCa, stepped.status().ToString());
  } else if (*stepped) {
    parts_.log.Write(
        LogLevel::kInfo, LogComponent::kCa,
        absl::StrCat("root rotation: ", before, " -> ", ca::NameOf(authority.rotation().phase())));
    parts_.on_roots_changed();
  }
}

// After a burst, such as a restart with everyone joining at once, what it took goes back to the
// system.
void Housekeeping::ReturnMemory() {
  returned_ += parts_.loop.slab().Trim();
  if (returned_ < kWorthReturning) return;
  returned_ = 0;
  malloc_trim(0);
}

// One line for many: whoever requests too many certificates would otherwise fill the log.
void Housekeeping::ReportRefusals() {
  const ca::MeshAuthority::Refusals& refusals = parts_.authority.refusals();
  const int64_t total = refusals.too_often + refusals.too_many;
  if (total == refusals_reported_ || Now() - refusals_reported_at_ < kReportRefusalsSeconds) return;
  refusals_reported_at_ = Now();
  parts_.log.Write(
      LogLevel::kWarning, LogComponent::kCa,
      absl::StrCat(total - std::exchange(refusals_reported_, total),
                   " requests for certificates were refused, the latest from ", refusals.latest));
}

void Housekeeping::Tick() {
  tick_->Start(kTick);
  ReturnMemory();
  WatchClock();
  ReportRefusals();
  parts_.registry.Advance();
  if (Now() % kVipRetrySeconds == 0) parts_.mesh.RetryVips();
  AdvanceRotation();
  if (Now() - cleaned_at_ < kCleanEverySeconds) return;
  cleaned_at_ = Now();
  const absl::Status status = parts_.tokens.DeleteExpired(Now());
  if (!status.ok()) parts_.log.Write(LogLevel::kWarning, LogComponent::kStore, status.ToString());
}

}  // namespace tulle::server
