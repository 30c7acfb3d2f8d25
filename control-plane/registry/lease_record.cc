#include "control-plane/registry/lease_record.h"

#include <absl/strings/str_cat.h>

#include <nlohmann/json.hpp>

#include "control-plane/discovery/workload_json.h"

namespace tulle::registry {
namespace {

using Json = nlohmann::json;
using store::Collection;

}  // namespace

std::string LeaseToJson(const Lease& lease) {
  return Json({{"lease", lease.id},
               {"ttlMilliseconds", lease.ttl.count()},
               {"workload", Json::parse(discovery::WorkloadToJson(lease.workload))}})
      .dump();
}

absl::StatusOr<Lease> LeaseFromJson(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    Lease lease;
    lease.id = json.at("lease").get<std::string>();
    lease.ttl = milliseconds(json.at("ttlMilliseconds").get<int64_t>());
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

absl::Status SaveChanges(const std::vector<Change>& changes, store::Store* store, int64_t now) {
  store::Transaction transaction("registry", now);
  for (const Change& change : changes) {
    if (change.kind == Change::Kind::kPut) {
      transaction.Put(Collection::kWorkload, change.lease.workload.id, LeaseToJson(change.lease));
    } else if (change.kind == Change::Kind::kRemove) {
      transaction.Delete(Collection::kWorkload, change.lease.workload.id);
    }
  }
  if (transaction.changes().empty()) return absl::OkStatus();
  return store->Commit(transaction).status();
}

}  // namespace tulle::registry
