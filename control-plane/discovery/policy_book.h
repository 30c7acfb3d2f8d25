// The policies in force, kept in the store: every change goes through here, whole or not at all.
// Owner and thread: the store's. Errors: problems for the writer of a file, absl::Status for the
// store's failures.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/policy/model.h"
#include "control-plane/policy/policy_set.h"
#include "control-plane/policy/problem.h"
#include "control-plane/store/store.h"

namespace tulle::discovery {

struct PolicyChange {
  enum class Action { kCreated, kChanged, kUnchanged, kDeleted };
  policy::DocumentKey key;
  Action action = Action::kUnchanged;
  std::optional<policy::Document> before;
  std::optional<policy::Document> after;
};

struct ApplyOutcome {
  policy::Problems problems;  // any: nothing was changed
  std::vector<PolicyChange> changes;
  int64_t revision = 0;  // of the policies, after the change
};

// "tullectl get httproutes -n shop": shows those beside which a policy was looked for.
std::string CommandToList(const policy::DocumentKey& key);

// A stored policy that this version cannot read.
struct UnreadablePolicy {
  std::string key;      // KIND/NAMESPACE/NAME
  std::string problem;  // one line
  // It restricts access, or its kind is unknown and may restrict access: without it the mesh would
  // allow what it forbids.
  bool is_security = true;
};
// One line each.
std::string ToText(const std::vector<UnreadablePolicy>& policies);

class PolicyBook {
 public:
  // `store` outlives this. A stored policy that this version cannot read is not enforced, and
  // unreadable() lists it: the caller decides whether that is acceptable.
  static absl::StatusOr<std::unique_ptr<PolicyBook>> Open(store::Store* store);

  const policy::PolicySet& policies() const { return policies_; }
  int64_t revision() const { return revision_; }
  // 0: there is no such policy.
  int64_t CreatedAt(const policy::DocumentKey& key) const;
  // metadata.resourceVersion: the revision that wrote it; 0: there is no such policy.
  int64_t VersionOf(const policy::DocumentKey& key) const;
  // Until one is applied anew or deleted.
  const std::vector<UnreadablePolicy>& unreadable() const { return unreadable_; }
  // Readable or not.
  bool Holds(const policy::DocumentKey& key) const;

  struct File {
    std::string_view yaml;
    std::string_view name;                                    // as shown in problems
    std::string_view default_ns = policy::kDefaultNamespace;  // of documents that name none
  };
  // A dry run says what would happen. kAborted, and nothing is changed, when a document states a
  // resourceVersion and its policy has another one.
  absl::StatusOr<ApplyOutcome> Apply(const File& file, bool is_dry_run, std::string_view author,
                                     int64_t now);
  // All of them in one change. kNotFound, and nothing is deleted, when one of them is not there.
  absl::StatusOr<ApplyOutcome> Delete(const std::vector<policy::DocumentKey>& keys, bool is_dry_run,
                                      std::string_view author, int64_t now);
  absl::StatusOr<std::vector<store::PastRecord>> History(const policy::DocumentKey& key);
  // Every change of every policy that is remembered, newest first.
  absl::StatusOr<std::vector<store::PastRecord>> AllHistory() {
    return store_->AllHistory(store::Collection::kPolicy);
  }

  struct Earlier {
    std::optional<policy::DocumentKey> key;  // absent: all policies
    int64_t revision = 0;                    // after which it was so; 0: before the last change
  };
  // A new change that makes things as they were. kNotFound: that state is not remembered.
  absl::StatusOr<ApplyOutcome> RollBack(const Earlier& to, bool is_dry_run, std::string_view author,
                                        int64_t now);

 private:
  explicit PolicyBook(store::Store* store) : store_(store) {}

  absl::Status Load();
  absl::Status CheckVersion(const policy::Document& document) const;
  absl::StatusOr<policy::PolicySet> StateAt(const Earlier& to, int64_t now, ApplyOutcome* outcome);
  absl::Status Commit(const ApplyOutcome& outcome, policy::PolicySet policies,
                      std::string_view author, int64_t now);

  store::Store* store_;
  policy::PolicySet policies_;
  std::map<policy::DocumentKey, int64_t> versions_;  // revisions of the commits that wrote them
  int64_t revision_ = 0;
  std::vector<UnreadablePolicy> unreadable_;
};

}  // namespace tulle::discovery
