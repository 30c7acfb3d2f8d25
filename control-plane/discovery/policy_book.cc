#include "control-plane/discovery/policy_book.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "control-plane/policy/canonical_json.h"
#include "control-plane/policy/parse.h"

namespace tulle::discovery {
namespace {

using store::Collection;

std::string StoreKey(const policy::DocumentKey& key) {
  return std::string(policy::ToText(key.kind)) + "/" + key.ns + "/" + key.name;
}

PolicyChange ChangeOf(const policy::PolicySet& policies, const policy::Document& document) {
  PolicyChange change;
  change.key = document.key;
  change.after = document;
  const policy::Document* before = policies.Find(document.key);
  if (before == nullptr) {
    change.action = PolicyChange::Action::kCreated;
    return change;
  }
  change.before = *before;
  change.action =
      before->SameAs(document) ? PolicyChange::Action::kUnchanged : PolicyChange::Action::kChanged;
  return change;
}

// Puts the document into `policies`, which hold what was before.
PolicyChange Put(policy::Document document, int64_t now, policy::PolicySet* policies) {
  PolicyChange change = ChangeOf(*policies, document);
  document.created_at = change.before ? change.before->created_at : now;
  policies->Upsert(std::move(document));
  return change;
}

// KIND/NAMESPACE/NAME
std::optional<policy::DocumentKey> KeyOf(const std::string& stored) {
  const size_t first = stored.find('/');
  const size_t second = stored.find('/', first + 1);
  if (second == std::string::npos) return std::nullopt;
  const auto kind = policy::ParseKind(stored.substr(0, first));
  if (!kind) return std::nullopt;
  return policy::DocumentKey{*kind, stored.substr(first + 1, second - first - 1),
                             stored.substr(second + 1)};
}

bool IsSecurity(const std::string& stored) {
  const std::optional<policy::DocumentKey> key = KeyOf(stored);
  if (!key) return true;
  switch (key->kind) {
    case policy::Kind::kAuthorizationPolicy:
    case policy::Kind::kPeerAuthentication:
    case policy::Kind::kEgressPolicy:
      return true;
    case policy::Kind::kHttpRoute:
    case policy::Kind::kGrpcRoute:
    case policy::Kind::kResiliencePolicy:
    case policy::Kind::kExternalService:
    case policy::Kind::kTelemetryPolicy:
      break;
  }
  return false;
}

// Without file and line: the key is said beside it, and what is stored has one line.
std::string ReasonOf(const policy::Problems& problems) {
  if (problems.empty()) return "it holds no policy";
  std::string text;
  for (const policy::Problem& problem : problems) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", problem.field,
                    problem.field.empty() ? "" : ": ", problem.message);
  }
  return text;
}

// The one version that held after `revision`; null: there was none.
absl::StatusOr<const store::PastRecord*> VersionAt(const std::vector<store::PastRecord>& versions,
                                                   int64_t revision) {
  for (const store::PastRecord& version : versions) {  // newest first
    if (version.revision <= revision) return &version;
  }
  if (versions.size() >= store::kKeptVersions) {
    return absl::NotFoundError(
        absl::StrCat("versions of ", versions[0].key, " before revision ", versions.back().revision,
                     " are no longer stored: use a later revision, see `tullectl history`"));
  }
  return nullptr;
}

}  // namespace

std::string CommandToList(const policy::DocumentKey& key) {
  std::string kind = absl::AsciiStrToLower(std::string(policy::ToText(key.kind)));
  if (kind.ends_with('y')) {
    kind.replace(kind.size() - 1, 1, "ies");
  } else {
    kind += 's';
  }
  const std::string where = key.ns == policy::kDefaultNamespace ? "" : " -n " + key.ns;
  return "tullectl get " + kind + where;
}

std::string ToText(const std::vector<UnreadablePolicy>& policies) {
  std::string text;
  for (const UnreadablePolicy& policy : policies) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", policy.key, ": ", policy.problem);
  }
  return text;
}

absl::StatusOr<std::unique_ptr<PolicyBook>> PolicyBook::Open(store::Store* store) {
  std::unique_ptr<PolicyBook> book(new PolicyBook(store));
  const absl::Status status = book->Load();
  if (!status.ok()) return status;
  return book;
}

absl::Status PolicyBook::Load() {
  const auto records = store_->List(Collection::kPolicy);
  if (!records.ok()) return records.status();
  for (const store::Record& record : *records) {
    const policy::ParsedFile parsed = policy::ParseDocuments(record.value, record.key);
    if (parsed.documents.size() == 1) {
      policy::Document document = parsed.documents[0];
      document.created_at = record.created_at;
      versions_[document.key] = record.revision;
      policies_.Upsert(std::move(document));
    } else {
      unreadable_.push_back({record.key, ReasonOf(parsed.problems), IsSecurity(record.key)});
    }
  }
  const auto revision = store_->RevisionOf(Collection::kPolicy);
  if (revision.ok()) revision_ = *revision;
  return revision.status();
}

int64_t PolicyBook::CreatedAt(const policy::DocumentKey& key) const {
  const policy::Document* found = policies_.Find(key);
  return found == nullptr ? 0 : found->created_at;
}

int64_t PolicyBook::VersionOf(const policy::DocumentKey& key) const {
  const auto found = versions_.find(key);
  return found == versions_.end() ? 0 : found->second;
}

// A policy that was deleted since is created again.
absl::Status PolicyBook::CheckVersion(const policy::Document& document) const {
  const int64_t current = VersionOf(document.key);
  const std::string& stated = document.resource_version;
  if (stated.empty() || current == 0 || stated == std::to_string(current)) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrCat("conflict: ", policy::ToText(document.key),
                   " has changed since it was read (resourceVersion ", stated, ", now ", current,
                   "): read it again with `", CommandToList(document.key), " ", document.key.name,
                   " -o yaml`, or remove metadata.resourceVersion to overwrite it"));
}

absl::StatusOr<ApplyOutcome> PolicyBook::Apply(const File& file, bool is_dry_run,
                                               std::string_view author, int64_t now) {
  ApplyOutcome outcome;
  outcome.revision = revision_;
  const policy::ParsedFile parsed = policy::ParseDocuments(file.yaml, file.name, file.default_ns);
  outcome.problems = parsed.problems;
  if (!parsed.ok()) return outcome;
  policy::PolicySet policies = policies_;
  for (const policy::Document& document : parsed.documents) {
    if (absl::Status version = CheckVersion(document); !version.ok()) return version;
    outcome.changes.push_back(Put(document, now, &policies));
  }
  outcome.problems = policies.FindConflicts(parsed.documents, file.name);
  if (!outcome.problems.empty()) {
    outcome.changes.clear();
    return outcome;
  }
  if (is_dry_run) return outcome;
  const absl::Status status = Commit(outcome, std::move(policies), author, now);
  if (!status.ok()) return status;
  outcome.revision = revision_;
  return outcome;
}

bool PolicyBook::Holds(const policy::DocumentKey& key) const {
  return policies_.Find(key) != nullptr ||
         std::any_of(unreadable_.begin(), unreadable_.end(),
                     [&](const UnreadablePolicy& each) { return each.key == StoreKey(key); });
}

absl::StatusOr<ApplyOutcome> PolicyBook::Delete(const std::vector<policy::DocumentKey>& keys,
                                                bool is_dry_run, std::string_view author,
                                                int64_t now) {
  ApplyOutcome outcome;
  outcome.revision = revision_;
  policy::PolicySet policies = policies_;
  for (const policy::DocumentKey& key : keys) {
    const policy::Document* document = policies_.Find(key);
    if (!Holds(key)) {
      return absl::NotFoundError(absl::StrCat(
          policy::ToText(key), " not found: list policies with `", CommandToList(key), "`"));
    }
    // Named twice it is deleted once.
    if (document != nullptr && !policies.Erase(key)) continue;
    outcome.changes.push_back({key, PolicyChange::Action::kDeleted, std::nullopt, std::nullopt});
    if (document != nullptr) outcome.changes.back().before = *document;
  }
  if (is_dry_run) return outcome;
  const absl::Status status = Commit(outcome, std::move(policies), author, now);
  if (!status.ok()) return status;
  outcome.revision = revision_;
  return outcome;
}

absl::Status PolicyBook::Commit(const ApplyOutcome& outcome, policy::PolicySet policies,
                                std::string_view author, int64_t now) {
  store::Transaction transaction{std::string(author), now};
  transaction.Expect(Collection::kPolicy, revision_);
  for (const PolicyChange& change : outcome.changes) {
    if (change.action == PolicyChange::Action::kDeleted) {
      transaction.Delete(Collection::kPolicy, StoreKey(change.key));
    } else if (change.action != PolicyChange::Action::kUnchanged) {
      transaction.Put(Collection::kPolicy, StoreKey(change.key), policy::ToJson(*change.after));
    }
  }
  if (transaction.changes().empty()) return absl::OkStatus();
  const auto revision = store_->Commit(transaction);
  if (!revision.ok()) return revision.status();
  policies_ = std::move(policies);
  revision_ = *revision;
  for (const PolicyChange& change : outcome.changes) {
    if (change.action == PolicyChange::Action::kDeleted) {
      versions_.erase(change.key);
    } else if (change.action != PolicyChange::Action::kUnchanged) {
      versions_[change.key] = revision_;
    }
    std::erase_if(unreadable_, [stored = StoreKey(change.key)](const UnreadablePolicy& each) {
      return each.key == stored;
    });
  }
  return absl::OkStatus();
}

absl::StatusOr<policy::PolicySet> PolicyBook::StateAt(const Earlier& to, int64_t now,
                                                      ApplyOutcome* outcome) {
  const auto history = to.key ? store_->History(Collection::kPolicy, StoreKey(*to.key))
                              : store_->AllHistory(Collection::kPolicy);
  if (!history.ok()) return history.status();
  if (history->empty()) {
    return absl::NotFoundError(absl::StrCat("there is no change",
                                            to.key ? " of " + policy::ToText(*to.key) : "",
                                            " to roll back: see `tullectl history`"));
  }
  // History is newest first. Before all of it there was perhaps nothing, perhaps what is forgotten:
  // either way everything would go.
  if (!to.key && to.revision != 0 && to.revision < history->back().revision) {
    return absl::NotFoundError(
        absl::StrCat("revision ", to.revision, " is older than the first stored change (",
                     history->back().revision,
                     "), and all policies would be deleted: roll back to a later one, "
                     "or delete single policies with `tullectl delete`"));
  }
  const int64_t revision = to.revision == 0 ? history->front().revision - 1 : to.revision;
  std::map<std::string, std::vector<store::PastRecord>> by_key;
  for (const store::PastRecord& past : *history) by_key[past.key].push_back(past);
  policy::PolicySet policies = policies_;
  for (const auto& [stored, versions] : by_key) {
    const std::optional<policy::DocumentKey> key = KeyOf(stored);
    const auto version = VersionAt(versions, revision);
    if (!version.ok()) return version.status();
    if (!key) continue;
    const policy::Document* current = policies_.Find(*key);
    if (*version == nullptr || !(*version)->value) {
      if (current == nullptr) continue;
      outcome->changes.push_back({*key, PolicyChange::Action::kDeleted, *current, std::nullopt});
      policies.Erase(*key);
      continue;
    }
    const policy::ParsedFile parsed = policy::ParseDocuments(*(*version)->value, stored);
    if (!parsed.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("that version of ", policy::ToText(*key),
                       " cannot be read by this tulle-control: ", policy::ToText(parsed.problems)));
    }
    PolicyChange change = Put(parsed.documents[0], now, &policies);
    if (to.key || change.action != PolicyChange::Action::kUnchanged) {
      outcome->changes.push_back(std::move(change));
    }
  }
  return policies;
}

absl::StatusOr<ApplyOutcome> PolicyBook::RollBack(const Earlier& to, bool is_dry_run,
                                                  std::string_view author, int64_t now) {
  ApplyOutcome outcome;
  outcome.revision = revision_;
  if (to.revision < 0 || to.revision > revision_) {
    return absl::NotFoundError(
        absl::StrCat("revision ", to.revision, " not found: see `tullectl history`"));
  }
  auto policies = StateAt(to, now, &outcome);
  if (!policies.ok()) return policies.status();
  std::vector<policy::Document> back;
  for (const PolicyChange& change : outcome.changes) {
    if (change.after) back.push_back(*change.after);
  }
  outcome.problems = policies->FindConflicts(back, "rollback");
  if (!outcome.problems.empty()) {
    outcome.changes.clear();
    return outcome;
  }
  if (is_dry_run) return outcome;
  const absl::Status status = Commit(outcome, *std::move(policies), author, now);
  if (!status.ok()) return status;
  outcome.revision = revision_;
  return outcome;
}

absl::StatusOr<std::vector<store::PastRecord>> PolicyBook::History(const policy::DocumentKey& key) {
  return store_->History(Collection::kPolicy, StoreKey(key));
}

}  // namespace tulle::discovery
