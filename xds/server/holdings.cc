#include "xds/server/holdings.h"

#include <iterator>

namespace tulle::xds {

Holdings::~Holdings() {
  while (!entries_.empty()) Erase(entries_.begin());
}

void Holdings::SetState(Entry* entry, State state) {
  if (entry->state == State::kAbsent) --absent_;
  if (state == State::kAbsent) ++absent_;
  entry->state = state;
}

void Holdings::ClearError(const std::string& name) { rejection_changes_ += errors_.erase(name); }

void Holdings::OnHeld(const std::string& name, std::string_view version) {
  Entry& entry = entries_[name];
  entry.version = VersionMark(version);
  SetState(&entry, State::kHeld);
  entry.delivery = Delivery::kAcknowledged;
}

void Holdings::OnSent(const std::string& name, const Resource& resource) {
  Entry& entry = entries_[name];
  entry.version = VersionMark(resource.version);
  SetState(&entry, State::kHeld);
  entry.delivery = Delivery::kSent;
  entry.must_resend = false;
  ClearError(name);
}

void Holdings::OnTold(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  if (!entry.is_named) return Erase(found);
  SetState(&entry, State::kAbsent);
  entry.version = {};
  entry.delivery = Delivery::kSent;
  entry.must_resend = false;
  ClearError(name);
}

void Holdings::OnAccepted(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.state != State::kHeld) return;
  found->second.delivery = Delivery::kAcknowledged;
  ClearError(name);
}

void Holdings::OnRejected(const std::string& name, const std::string& error) {
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.state != State::kHeld) return;
  found->second.delivery = Delivery::kRejected;
  errors_.insert_or_assign(name, error);
  ++rejection_changes_;
}

void Holdings::SetNamed(const std::string& name, bool is_named) {
  if (!is_named && !entries_.contains(name)) return;
  Entry& entry = entries_[name];
  if (entry.is_named == is_named) return;
  entry.is_named = is_named;
  named_ += is_named ? 1 : -1;
  if (observer_ == nullptr) return;
  if (is_named) return observer_->OnSubscribed(type_url_, name);
  observer_->OnUnsubscribed(type_url_, name);
}

void Holdings::SetResend(const std::string& name, bool must_resend) {
  const auto found = entries_.find(name);
  if (found != entries_.end()) found->second.must_resend = must_resend;
}

void Holdings::Erase(Entries::iterator entry) {
  SetNamed(entry->first, false);
  SetState(&entry->second, State::kUnknown);
  ClearError(entry->first);
  entries_.erase(entry);
}

void Holdings::Forget(const std::string& name) {
  const auto found = entries_.find(name);
  if (found != entries_.end()) Erase(found);
}

void Holdings::ForgetUnnamed() {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto next = std::next(entry);
    if (!entry->second.is_named) Erase(entry);
    entry = next;
  }
}

const Holdings::Entry& Holdings::Find(const std::string& name) const {
  static const Entry kUnknownName;
  const auto found = entries_.find(name);
  return found == entries_.end() ? kUnknownName : found->second;
}

std::set<std::string> Holdings::Names() const {
  std::set<std::string> names;
  for (const auto& [name, entry] : entries_) names.insert(names.end(), name);
  return names;
}

std::string Holdings::Acknowledged(const std::string& name) const {
  const Entry& entry = Find(name);
  const bool is_held = entry.state == State::kHeld && entry.delivery == Delivery::kAcknowledged;
  return is_held && !entry.must_resend ? std::string(entry.version.text()) : std::string();
}

void Holdings::ForEach(const Session::Visit& visit) const {
  for (const auto& [name, entry] : entries_) {
    if (entry.state != State::kHeld) continue;
    HeldResource held{name, entry.version.text(), entry.delivery, {}};
    const auto error = errors_.find(name);
    if (error != errors_.end()) held.error = error->second;
    visit(held);
  }
}

}  // namespace tulle::xds
