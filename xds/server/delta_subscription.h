#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "xds/server/holdings.h"
#include "xds/server/miss_budget.h"
#include "xds/server/session.h"
#include "xds/server/view.h"

namespace tulle::xds {

// One resource type of one delta stream: what the client has subscribed to and holds, and which
// names have to be looked at because something changed. Only those are compared with the view, so
// that a change costs what it touches. For this package only. Owner: a DeltaSession.
class DeltaSubscription {
 public:
  DeltaSubscription(std::string_view type_url, SubscriptionObserver* observer)
      : holdings_(type_url, observer), observer_(observer) {}
  ~DeltaSubscription();
  DeltaSubscription(const DeltaSubscription&) = delete;
  DeltaSubscription& operator=(const DeltaSubscription&) = delete;

  // The client holds this from an earlier stream.
  void OnHeld(const std::string& name, std::string_view version) {
    holdings_.OnHeld(name, version);
  }
  void SubscribeToAll();
  // `is_first`: by the type's first request, where a repeated name does not ask for a resend.
  void Subscribe(const std::string& name, bool is_first);
  // "*" ends the wildcard. `view` may be null.
  void Unsubscribe(const std::vector<std::string>& names, const View* view);
  // `error`: the client rejected the response in flight; null: it accepted all of it.
  void OnAnswer(const std::string* error);

  // False: the client does not receive the name. `view` may be null.
  bool OnChanged(const std::string& name, const View* view);
  void OnAllChanged() { is_all_pending_ = true; }
  // Sends it again, changed or not. False: the client has not subscribed to it by name.
  bool Resend(const std::string& name);

  bool IsPending() const {
    return is_all_pending_ || must_answer_ || !pending_.empty() || !late_.empty();
  }
  // Appends what the client must be told to `response`; `sent` gets the resources. False: nothing.
  // `removals`: removed resources may be named now, else they stay pending. `budget` limits how
  // many missing names are answered; null: all are.
  bool Fill(const View& view, bool removals, loop::Instant now, MissBudget* budget,
            std::string* response, std::vector<std::shared_ptr<const Resource>>* sent);

  size_t names() const { return holdings_.named(); }
  size_t rejected() const { return holdings_.rejected(); }
  uint64_t rejection_changes() const { return holdings_.rejection_changes(); }
  std::string Acknowledged(std::string_view name) const {
    return holdings_.Acknowledged(std::string(name));
  }
  void ForEach(const Session::Visit& visit) const { holdings_.ForEach(visit); }

 private:
  enum class Verdict { kUnchanged, kChanged, kMissing, kRemoved };

  void CollectAll(const View& view);
  Verdict Compare(const std::string& name, const View& view, const View::Found& found) const;
  void TellMissing(const std::string& name, std::string* response);
  // Tells of as many late names as the budget allows.
  void TellLate(const View& view, loop::Instant now, MissBudget* budget, std::string* response);

  Holdings holdings_;
  SubscriptionObserver* const observer_;
  std::set<std::string> pending_;
  // Missing names that wait for the budget. Not looked up until it is their turn.
  std::set<std::string> late_;
  std::vector<std::string> in_flight_;
  bool is_wildcard_ = false;
  bool is_all_pending_ = true;
  bool must_answer_ = false;  // even with nothing: the client's first fetch ends with it
};

}  // namespace tulle::xds
