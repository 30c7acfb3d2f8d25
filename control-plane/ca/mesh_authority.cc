#include "control-plane/ca/mesh_authority.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "certs/csr.h"

namespace tulle::ca {
namespace {

using Json = nlohmann::json;
using store::Collection;

constexpr char kRootsKey[] = "roots";
constexpr int64_t kShortestLifetime = 10;

const char* TextOf(RotationPhase phase) {
  switch (phase) {
    case RotationPhase::kSteady:
      return "steady";
    case RotationPhase::kAnnouncing:
      return "announcing";
    case RotationPhase::kRenewing:
      break;
  }
  return "renewing";
}

RotationPhase PhaseOf(const std::string& text) {
  if (text == "announcing") return RotationPhase::kAnnouncing;
  if (text == "renewing") return RotationPhase::kRenewing;
  return RotationPhase::kSteady;
}

absl::Status Damaged(std::string_view detail) {
  return absl::DataLossError(absl::StrCat("the roots in the store cannot be read (",
                                          std::string(detail),
                                          "): put back a copy of the data directory"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MeshAuthority>> MeshAuthority::Open(const Options& options,
                                                                   store::Store* store,
                                                                   certs::KeySource* keys,
                                                                   int64_t now) {
  if (!certs::SpiffeId::IsTrustDomain(options.trust_domain)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", options.trust_domain,
                     "\" is no trust domain: lower-case letters, digits, -, _ and ."));
  }
  if (options.svid_lifetime_seconds < kShortestLifetime) {
    return absl::InvalidArgumentError(
        absl::StrCat("--svid-ttl is too short: at least ", kShortestLifetime, "s"));
  }
  std::unique_ptr<MeshAuthority> authority(new MeshAuthority(options, store, keys));
  const absl::Status status = authority->Load(now);
  if (!status.ok()) return status;
  return authority;
}

absl::Status MeshAuthority::Load(int64_t now) {
  const auto record = store_->Get(Collection::kAuthority, kRootsKey);
  if (!record.ok()) return record.status();
  if (!*record) {
    auto root = certs::Authority::CreateRoot(options_.trust_domain, *keys_, now);
    if (!root.ok()) return root.status();
    std::vector<certs::Authority> roots = {*std::move(root)};
    const absl::Status saved = Save(roots, RotationPhase::kSteady, now);
    if (!saved.ok()) return saved;
    roots_ = std::move(roots);
    RefreshBundle();
    return absl::OkStatus();
  }
  try {
    const Json json = Json::parse((*record)->value);
    for (const Json& each : json.at("roots")) {
      auto root = certs::Authority::FromPem(each.at("certificate").get<std::string>(),
                                            each.at("key").get<std::string>());
      if (!root.ok()) return Damaged(root.status().ToString());
      roots_.push_back(*std::move(root));
    }
    rotation_.Resume(PhaseOf(json.at("phase").get<std::string>()), json.at("since").get<int64_t>());
  } catch (const Json::exception&) {
    return Damaged("not in its form");  // the text holds keys: nothing of it is shown
  }
  const bool is_steady = rotation_.phase() == RotationPhase::kSteady;
  if (roots_.size() != (is_steady ? 1 : 2))
    return Damaged("their number does not fit the rotation");
  if (roots_[0].trust_domain() != options_.trust_domain) {
    return absl::FailedPreconditionError(
        absl::StrCat("the store's root is for trust domain ", std::string(roots_[0].trust_domain()),
                     ": start with that one, or with an empty --data-dir"));
  }
  RefreshBundle();
  return absl::OkStatus();
}

absl::Status MeshAuthority::Save(const std::vector<certs::Authority>& roots, RotationPhase phase,
                                 int64_t since) {
  Json json = {{"phase", TextOf(phase)}, {"since", since}, {"roots", Json::array()}};
  for (const certs::Authority& root : roots) {
    json["roots"].push_back(
        {{"certificate", root.certificate().ToPem()}, {"key", root.key().ToPem()}});
  }
  store::Transaction transaction("tulle-control", since);
  transaction.Put(Collection::kAuthority, kRootsKey, json.dump());
  return store_->Commit(transaction).status();
}

void MeshAuthority::RefreshBundle() {
  trust_bundle_pem_ = signing().certificate().ToPem();
  for (const certs::Authority& root : roots_) {
    if (&root != &signing()) trust_bundle_pem_ += root.certificate().ToPem();
  }
}

absl::StatusOr<IssuedSvid> MeshAuthority::Issue(const certs::SpiffeId& caller,
                                                std::string_view csr_pem,
                                                std::optional<int64_t> lifetime_seconds,
                                                int64_t now) const {
  if (!caller.namespace_name()) {
    return absl::InvalidArgumentError(
        absl::StrCat(caller.ToString(), " is no workload: only /ns/NS/sa/ACCOUNT gets an SVID"));
  }
  const auto request = certs::CertificateRequest::Parse(csr_pem);
  if (!request.ok()) return request.status();
  certs::SvidOrder order{caller, request->public_key()};
  order.lifetime_seconds = std::clamp(lifetime_seconds.value_or(options_.svid_lifetime_seconds),
                                      kShortestLifetime, options_.svid_lifetime_seconds);
  const auto leaf = signing().Issue(order, *keys_, now);
  if (!leaf.ok()) return leaf.status();
  return IssuedSvid{leaf->ToPem(), trust_bundle_pem_, leaf->not_after(), caller.ToString()};
}

absl::StatusOr<IssuedSvid> MeshAuthority::IssueOwn(const certs::PrivateKey& key,
                                                   std::vector<std::string> dns_names,
                                                   std::vector<std::string> ip_addresses,
                                                   int64_t now) const {
  const auto id =
      certs::SpiffeId::ForWorkload(options_.trust_domain, "tulle-system", "tulle-control");
  if (!id.ok()) return id.status();
  certs::SvidOrder order{*id, key.native()};
  order.lifetime_seconds = options_.svid_lifetime_seconds;
  order.dns_names = std::move(dns_names);
  order.ip_addresses = std::move(ip_addresses);
  const auto leaf = signing().Issue(order, *keys_, now);
  if (!leaf.ok()) return leaf.status();
  return IssuedSvid{leaf->ToPem(), trust_bundle_pem_, leaf->not_after(), id->ToString()};
}

absl::Status MeshAuthority::BeginRotation(int64_t now) {
  if (rotation_.phase() != RotationPhase::kSteady) {
    const std::vector<std::string> waiting = rotation_.waiting();
    return absl::FailedPreconditionError(absl::StrCat(
        "a rotation is under way (", TextOf(rotation_.phase()), "), waiting for ",
        waiting.empty() ? "nobody; it goes on by itself" : absl::StrJoin(waiting, ", ")));
  }
  auto root = certs::Authority::CreateRoot(options_.trust_domain, *keys_, now);
  if (!root.ok()) return root.status();
  std::vector<certs::Authority> roots = roots_;
  roots.push_back(*std::move(root));
  const absl::Status saved = Save(roots, RotationPhase::kAnnouncing, now);
  if (!saved.ok()) return saved;
  roots_ = std::move(roots);
  rotation_.Begin(now);
  RefreshBundle();
  return absl::OkStatus();
}

absl::StatusOr<bool> MeshAuthority::AdvanceRotation(int64_t now) {
  RootRotation next = rotation_;
  const RotationPhase phase = next.Advance(now);
  if (phase == rotation_.phase()) {
    rotation_ = std::move(next);
    return false;
  }
  std::vector<certs::Authority> roots = roots_;
  if (phase == RotationPhase::kSteady) roots.erase(roots.begin());
  const absl::Status saved = Save(roots, phase, now);
  if (!saved.ok()) return saved;  // the step stays due
  roots_ = std::move(roots);
  rotation_ = std::move(next);
  RefreshBundle();
  return true;
}

}  // namespace tulle::ca
