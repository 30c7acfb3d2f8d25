#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "xds/server/session.h"
#include "xds/server/version_mark.h"
#include "xds/server/view.h"

namespace tulle::xds {

// What a delta client holds of one type, as far as the server knows: for each name whether the
// client has subscribed to it, which version it was sent, and how it received it. For this package
// only. Owner: a DeltaSubscription.
class Holdings {
 public:
  enum class State : uint8_t { kUnknown, kHeld, kAbsent };  // kAbsent: told that it is missing
  struct Entry {
    VersionMark version;  // kHeld: what it was sent
    State state = State::kUnknown;
    Delivery delivery = Delivery::kSent;
    bool is_named = false;     // subscribed to by name
    bool must_resend = false;  // changed or not
  };

  Holdings(std::string_view type_url, SubscriptionObserver* observer)
      : type_url_(type_url), observer_(observer) {}
  ~Holdings();
  Holdings(const Holdings&) = delete;
  Holdings& operator=(const Holdings&) = delete;

  // The client has this from an earlier stream.
  void OnHeld(const std::string& name, std::string_view version);
  void OnSent(const std::string& name, const Resource& resource);
  // It was told that there is no such resource, or no longer.
  void OnTold(const std::string& name);
  void OnAccepted(const std::string& name);
  void OnRejected(const std::string& name, const std::string& error);

  void SetNamed(const std::string& name, bool is_named);
  void SetResend(const std::string& name, bool must_resend);
  void Forget(const std::string& name);
  // All names that are not subscribed to.
  void ForgetUnnamed();

  // Default values for a name that is unknown.
  const Entry& Find(const std::string& name) const;
  bool contains(const std::string& name) const { return entries_.contains(name); }
  const std::string& type_url() const { return type_url_; }
  size_t named() const { return named_; }
  size_t absent() const { return absent_; }
  size_t rejected() const { return errors_.size(); }
  // Changes whenever a name is rejected, or is not rejected any more.
  uint64_t rejection_changes() const { return rejection_changes_; }
  std::set<std::string> Names() const;
  // Empty: the client has not acknowledged it.
  std::string Acknowledged(const std::string& name) const;
  // What the client holds, in order of names.
  void ForEach(const Session::Visit& visit) const;

 private:
  using Entries = std::map<std::string, Entry>;

  void Erase(Entries::iterator entry);
  void SetState(Entry* entry, State state);
  void ClearError(const std::string& name);

  const std::string type_url_;
  SubscriptionObserver* const observer_;
  Entries entries_;
  std::map<std::string, std::string> errors_;  // of rejected resources
  uint64_t rejection_changes_ = 0;
  size_t named_ = 0;
  size_t absent_ = 0;
};

}  // namespace tulle::xds
