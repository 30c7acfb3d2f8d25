#include "control-plane/registry/lease_record.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "control-plane/discovery/workload_json.h"

namespace tulle::registry {
namespace {

using Json = nlohmann::json;
using store::Collection;

}  // namespace

std::string LeaseToJson(const Lease& lease) {
  return Json({{"lease", lease.id},
               {"ttlMilliseconds", lease.ttl.count()},
               {"hasDefaultTtl", lease.has_default_ttl},
               {"isLasting", lease.is_lasting},
               {"workload", Json::parse(discovery::WorkloadToJson(lease.workload))}})
      .dump();
}

absl::StatusOr<Lease> LeaseFromJson(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Lease lease;
    lease.id = json.at("lease").get<std::string>();
    lease.ttl = milliseconds(json.at("ttlMilliseconds").get<int64_t>());
    lease.has_default_ttl = json.value("hasDefaultTtl", false);  // not in former records
    lease.is_lasting = json.value("isLasting", false);           // the same
    auto workload = discovery::WorkloadFromJson(json.at("workload").dump());
    if (!workload.ok()) return workload.status();
    lease.workload = *std::move(workload);
    return lease;
  } catch (const Json::exception& error) {
    return absl::DataLossError(absl::StrCat("a lease cannot be read: ", error.what()));
  }
}

absl::StatusOr<StoredLeases> LoadLeases(store::Store* store) {
  const auto records = store->List(Collection::kWorkload);
  if (!records.ok()) return records.status();
  StoredLeases stored;
  for (const store::Record& record : *records) {
    auto lease = LeaseFromJson(record.value);
    if (lease.ok()) {
      stored.leases.push_back(*std::move(lease));
    } else {
      stored.damaged.push_back(record.key + ": " + std::string(lease.status().message()));
    }
  }
  return stored;
}

void UnsavedLeases::Add(Change change) {
  if (change.kind == Change::Kind::kHealth) return;
  const std::string instance = change.lease.workload.id;
  // What came and went before it could be written leaves nothing to undo.
  if (change.kind == Change::Kind::kRemove && !stored_.contains(instance)) {
    changes_.erase(instance);
    return;
  }
  changes_.insert_or_assign(instance, std::move(change));
}

absl::Status UnsavedLeases::Save(store::Store* store, int64_t now,
                                 std::vector<std::string>* refused) {
  if (changes_.empty()) return absl::OkStatus();
  const absl::Status all = Commit(changes_, store, now);
  if (all.ok()) {
    for (const auto& [instance, change] : changes_) NoteSaved(change);
    changes_.clear();
  }
  // One of them is at fault and would hold up all others for ever.
  return absl::IsInvalidArgument(all) ? SaveEach(store, now, refused) : all;
}

absl::Status UnsavedLeases::SaveEach(store::Store* store, int64_t now,
                                     std::vector<std::string>* refused) {
  while (!changes_.empty()) {
    const auto& [instance, change] = *changes_.begin();
    const absl::Status status = Commit({{instance, change}}, store, now);
    if (absl::IsInvalidArgument(status)) {
      refused->push_back(absl::StrCat(instance, " (", change.lease.workload.spiffe_id,
                                      "): ", std::string(status.message())));
    } else if (!status.ok()) {
      return status;
    } else {
      NoteSaved(change);
    }
    changes_.erase(changes_.begin());
  }
  return absl::OkStatus();
}

absl::Status UnsavedLeases::Commit(const Changes& changes, store::Store* store, int64_t now) {
  store::Transaction transaction("registry", now);
  for (const auto& [instance, change] : changes) {
    if (change.kind == Change::Kind::kPut) {
      transaction.Put(Collection::kWorkload, instance, LeaseToJson(change.lease));
    } else {
      transaction.Delete(Collection::kWorkload, instance);
    }
  }
  return store->Commit(transaction).status();
}

void UnsavedLeases::NoteSaved(const Change& change) {
  if (change.kind == Change::Kind::kPut) {
    stored_.insert(change.lease.workload.id);
  } else {
    stored_.erase(change.lease.workload.id);
  }
}

}  // namespace tulle::registry
