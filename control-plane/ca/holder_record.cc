#include "control-plane/ca/holder_record.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace tulle::ca {
namespace {

using Json = nlohmann::json;
using store::Collection;

constexpr std::string_view kNode = "node/";
constexpr std::string_view kSvid = "svid/";

std::string TextOf(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// False: it is no record of ours.
bool ReadRecord(const store::Record& record, RootRotation* rotation) {
  try {
    const Json json = Json::parse(record.value);
    const int64_t until = json.at("until").get<int64_t>();
    if (record.key.starts_with(kNode)) {
      rotation->Restore(record.key.substr(kNode.size()),
                        {json.at("identity").get<std::string>(), until});
      return true;
    }
    if (!record.key.starts_with(kSvid)) return false;
    UnseenCertificates::Certificate certificate;
    certificate.not_after = until;
    certificate.issued_at = json.at("issuedAt").get<int64_t>();
    certificate.renews = json.at("renews").get<std::string>();
    certificate.joiner = json.at("joiner").get<std::string>();
    rotation->OnIssued(record.key.substr(kSvid.size()), std::move(certificate));
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

void PutCertificate(const IssuedCertificates::Key& key, std::string_view identity,
                    int64_t revoked_at, store::Transaction* transaction) {
  Json json = {{"identity", identity}, {"until", key.not_after}};
  if (revoked_at != 0) json["revokedAt"] = revoked_at;
  transaction->Put(Collection::kCertificate, key.serial, TextOf(json));
}

}  // namespace

absl::Status LoadHolders(store::Store* store, int64_t latest, RootRotation* rotation) {
  const auto records = store->List(Collection::kHolder);
  if (!records.ok()) return records.status();
  for (const store::Record& record : *records) {
    if (!ReadRecord(record, rotation)) rotation->WaitUntil(latest);
  }
  rotation->TakeChanged();
  return absl::OkStatus();
}

void AddHolders(const RootRotation& rotation, const RootRotation::Changed& changed,
                store::Transaction* transaction) {
  for (const std::string& node : changed.nodes) {
    const std::string key = std::string(kNode) + node;
    const auto holder = rotation.HolderOf(node);
    if (holder) {
      transaction->Put(Collection::kHolder, key,
                       TextOf({{"identity", holder->identity}, {"until", holder->until}}));
    } else {
      transaction->Delete(Collection::kHolder, key);
    }
  }
  for (const std::string& sha256 : changed.certificates) {
    const std::string key = std::string(kSvid) + sha256;
    const UnseenCertificates::Certificate* certificate = rotation.unseen().Find(sha256);
    if (certificate != nullptr) {
      transaction->Put(Collection::kHolder, key,
                       TextOf({{"until", certificate->not_after},
                               {"issuedAt", certificate->issued_at},
                               {"renews", certificate->renews},
                               {"joiner", certificate->joiner}}));
    } else {
      transaction->Delete(Collection::kHolder, key);
    }
  }
}

absl::Status LoadCertificates(store::Store* store, IssuedCertificates* certificates) {
  const auto records = store->List(Collection::kCertificate);
  if (!records.ok()) return records.status();
  for (const store::Record& record : *records) {
    try {
      const Json json = Json::parse(record.value);
      certificates->Add({json.at("until").get<int64_t>(), record.key},
                        json.at("identity").get<std::string>(),
                        json.value("revokedAt", int64_t{0}));
    } catch (const Json::exception&) {
      continue;
    }
  }
  certificates->TakeChanged();
  return absl::OkStatus();
}

void AddCertificates(const IssuedCertificates& certificates,
                     const std::set<IssuedCertificates::Key>& changed,
                     store::Transaction* transaction) {
  for (const IssuedCertificates::Key& key : changed) {
    const IssuedCertificates::Entry* entry = certificates.Find(key);
    if (entry == nullptr) {
      transaction->Delete(Collection::kCertificate, key.serial);
    } else {
      PutCertificate(key, entry->identity, entry->revoked_at, transaction);
    }
  }
}

void AddRevoked(const std::vector<IssuedCertificates::Key>& keys, std::string_view identity,
                int64_t now, store::Transaction* transaction) {
  for (const IssuedCertificates::Key& key : keys) PutCertificate(key, identity, now, transaction);
}

}  // namespace tulle::ca
