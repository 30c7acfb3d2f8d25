#include "xds/server/delta_subscription.h"

#include <map>
#include <utility>

#include "xds/server/rejection.h"
#include "xds/server/wire.h"

namespace tulle::xds {
namespace {

// Field removed_resources of DeltaDiscoveryResponse.
constexpr uint32_t kRemoved = 6;

}  // namespace

DeltaSubscription::~DeltaSubscription() {
  if (is_wildcard_ && observer_ != nullptr) observer_->OnWildcard(holdings_.type_url(), false);
}

void DeltaSubscription::SubscribeToAll() {
  must_answer_ = is_all_pending_ = true;
  if (!is_wildcard_ && observer_ != nullptr) observer_->OnWildcard(holdings_.type_url(), true);
  is_wildcard_ = true;
}

void DeltaSubscription::Subscribe(const std::string& name, bool is_first) {
  const bool is_again = is_wildcard_ || holdings_.Find(name).is_named;
  holdings_.SetNamed(name, true);
  if (is_again && !is_first) holdings_.SetResend(name, true);
  pending_.insert(name);
}

void DeltaSubscription::Unsubscribe(const std::vector<std::string>& names, const View* view) {
  for (const std::string& name : names) {
    if (name == "*" && is_wildcard_) {
      is_wildcard_ = false;
      if (observer_ != nullptr) observer_->OnWildcard(holdings_.type_url(), false);
    }
    holdings_.SetNamed(name, false);
    holdings_.SetResend(name, false);
    // Part of the wildcard too: the client keeps it.
    const bool is_kept = is_wildcard_ && holdings_.Find(name).state == Holdings::State::kHeld &&
                         !(view != nullptr && view->Find(holdings_.type_url(), name).by_name_only);
    if (is_kept) continue;
    holdings_.Forget(name);
    late_.erase(name);
  }
  if (!is_wildcard_ && !names.empty()) holdings_.ForgetUnnamed();
}

void DeltaSubscription::OnAnswer(const std::string* error) {
  const std::vector<std::string> names = std::exchange(in_flight_, {});
  std::map<std::string, std::string> errors;
  if (error != nullptr) errors = ErrorsByName(*error, names);
  for (const std::string& name : names) {
    const auto found = errors.find(name);
    if (found == errors.end()) {
      holdings_.OnAccepted(name);
    } else {
      holdings_.OnRejected(name, found->second);
    }
  }
}

bool DeltaSubscription::OnChanged(const std::string& name, const View* view) {
  if (is_all_pending_) return true;
  if (!holdings_.contains(name)) {
    if (!is_wildcard_) return false;
    if (view != nullptr && view->Find(holdings_.type_url(), name).by_name_only) return false;
  }
  pending_.insert(name);
  return true;
}

bool DeltaSubscription::Resend(const std::string& name) {
  if (!holdings_.Find(name).is_named) return false;
  holdings_.SetResend(name, true);
  pending_.insert(name);
  return true;
}

void DeltaSubscription::CollectAll(const View& view) {
  is_all_pending_ = false;
  pending_.merge(holdings_.Names());
  if (!is_wildcard_) return;
  view.ForEach(holdings_.type_url(),
               [this](const std::string& name, const Resource&) { pending_.insert(name); });
}

DeltaSubscription::Verdict DeltaSubscription::Compare(const std::string& name, const View& view,
                                                      const View::Found& found) const {
  const Holdings::Entry& entry = holdings_.Find(name);
  const bool is_held = entry.state == Holdings::State::kHeld;
  if (found.resource == nullptr) {
    if (is_held) return view.KeepsRemoved() ? Verdict::kUnchanged : Verdict::kRemoved;
    const bool is_told = entry.state == Holdings::State::kAbsent && !entry.must_resend;
    return entry.is_named && !is_told ? Verdict::kMissing : Verdict::kUnchanged;
  }
  if (!entry.is_named && !(is_wildcard_ && !found.by_name_only)) return Verdict::kUnchanged;
  const bool is_same = is_held && entry.version == VersionMark(found.resource->version);
  // A version that was rejected must not come again.
  const bool must_resend = entry.must_resend && entry.delivery != Delivery::kRejected;
  return is_same && !must_resend ? Verdict::kUnchanged : Verdict::kChanged;
}

bool DeltaSubscription::Fill(const View& view, bool removals, loop::Instant now, MissBudget* budget,
                             std::string* response,
                             std::vector<std::shared_ptr<const Resource>>* sent) {
  const std::string& type = holdings_.type_url();
  if (is_all_pending_) CollectAll(view);
  for (auto name = pending_.begin(); name != pending_.end();) {
    if (response->size() > kResponseBytes) break;
    const View::Found found = view.Find(type, *name);
    const Verdict verdict = Compare(*name, view, found);
    if (verdict == Verdict::kRemoved && !removals) {
      ++name;
      continue;
    }
    if (verdict == Verdict::kMissing && budget == nullptr) TellMissing(*name, response);
    if (verdict == Verdict::kMissing && budget != nullptr) {
      late_.insert(*name);
    } else {
      late_.erase(*name);
    }
    if (verdict == Verdict::kRemoved) {
      AppendField(*response, kRemoved, *name);
      holdings_.OnTold(*name);
    } else if (verdict == Verdict::kChanged) {
      const Resource& resource = *found.resource;
      AppendResource(*response, kResources, *name, resource.version, type, resource.bytes);
      holdings_.OnSent(*name, resource);
      in_flight_.push_back(*name);
      sent->push_back(found.resource);
    }
    name = pending_.erase(name);
  }
  if (!late_.empty()) TellLate(view, now, budget, response);
  return std::exchange(must_answer_, false) || !response->empty();
}

void DeltaSubscription::TellMissing(const std::string& name, std::string* response) {
  AppendField(*response, kRemoved, name);
  holdings_.OnTold(name);
}

void DeltaSubscription::TellLate(const View& view, loop::Instant now, MissBudget* budget,
                                 std::string* response) {
  const size_t count = budget->Take(late_.size(), now);
  const bool is_full = holdings_.absent() + count > kMostMisses;
  for (size_t i = 0; i < count; ++i) {
    const std::string name = std::move(late_.extract(late_.begin()).value());
    // If it exists by now, that was announced as a change: it was sent, or is pending.
    const Verdict verdict = Compare(name, view, view.Find(holdings_.type_url(), name));
    if (verdict != Verdict::kMissing) continue;
    TellMissing(name, response);
    if (is_full) holdings_.Forget(name);
  }
}

}  // namespace tulle::xds
