#include "control-plane/ca/mesh_authority.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "certs/csr.h"
#include "certs/spiffe_names.h"
#include "control-plane/ca/holder_record.h"
#include "control-plane/ca/join_token.h"

namespace tulle::ca {
namespace {

using Json = nlohmann::json;
using store::Collection;

constexpr char kRootsKey[] = "roots";
constexpr char kOutstandingKey[] = "outstanding";
// What is stored of the SVIDs' ends is rounded up to this part of their life, so that not each of
// them is a commit.
constexpr int64_t kOutstandingSteps = 16;
constexpr int64_t kShortestLifetime = 10;

absl::Status Damaged(std::string_view detail) {
  return absl::DataLossError(
      absl::StrCat("the roots in the store cannot be read (", std::string(detail),
                   "): stop tulle-control and run `tullectl restore` with a backup"));
}

absl::Status SharedDamaged(std::string_view detail) {
  return absl::DataLossError(absl::StrCat(
      "the roots in the Secret tulle-ca cannot be read (", std::string(detail),
      "): apply a backup of it; if there is none, delete it and restart all pods of the mesh"));
}

std::string TextOf(const ASN1_OCTET_STRING* text) {
  if (text == nullptr) return "";
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

}  // namespace

std::string IssuerOf(const certs::Certificate& leaf) {
  const bssl::UniquePtr<AUTHORITY_KEYID> issuer(static_cast<AUTHORITY_KEYID*>(
      X509_get_ext_d2i(leaf.native(), NID_authority_key_identifier, nullptr, nullptr)));
  return issuer == nullptr ? "" : TextOf(issuer->keyid);
}

absl::StatusOr<std::unique_ptr<MeshAuthority>> MeshAuthority::Open(const Options& options,
                                                                   store::Store* store,
                                                                   certs::KeySource* keys,
                                                                   int64_t now) {
  if (!certs::SpiffeId::IsTrustDomain(options.trust_domain)) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid --trust-domain \"", options.trust_domain,
                     "\": use lower-case letters, digits, -, _ and ."));
  }
  if (options.svid_lifetime_seconds < kShortestLifetime) {
    return absl::InvalidArgumentError(
        absl::StrCat("--svid-ttl is too short: must be at least ", kShortestLifetime, "s"));
  }
  if (options.root_lifetime_seconds < 2 * options.svid_lifetime_seconds) {
    return absl::InvalidArgumentError("--root-ttl is too short: must be at least twice --svid-ttl");
  }
  std::unique_ptr<MeshAuthority> authority(new MeshAuthority(options, store, keys));
  const absl::Status status = authority->Load(now);
  if (!status.ok()) return status;
  return authority;
}

absl::Status MeshAuthority::Load(int64_t now) {
  const auto record = store_->Get(Collection::kAuthority, kRootsKey);
  if (!record.ok()) return record.status();
  const bool is_shared = !options_.shared_roots.empty();
  if (!*record && !is_shared) return StartAfresh(now);
  const absl::Status outstanding = LoadOutstanding();
  if (!outstanding.ok()) return outstanding;
  auto roots = ParseRoots(is_shared ? options_.shared_roots : (*record)->value);
  if (!roots.ok()) {
    const std::string detail(roots.status().message());
    return is_shared ? SharedDamaged(detail) : Damaged(detail);
  }
  const absl::Status checked = Check(*roots);
  if (!checked.ok()) return checked;
  // No certificate outlives its issuer: if all roots have expired, no holder remains to wait for.
  if (roots->have_ended(now)) {
    if (!is_shared) return StartAfresh(now);
    return absl::FailedPreconditionError(
        "the roots in the Secret tulle-ca have expired: delete it and restart all pods of the "
        "mesh");
  }
  rotation_.Resume(roots->phase, roots->since);
  if (is_shared) {
    const absl::Status saved = Save(*roots);
    if (!saved.ok()) return saved;
  }
  Evictions evictions = std::exchange(roots->evictions, {});
  Adopt(*std::move(roots));
  TakeEvictions(std::move(evictions), now, /*at_start=*/true);
  return absl::OkStatus();
}

absl::Status MeshAuthority::Check(const Roots& roots) const {
  const std::string_view domain = roots.active[0].trust_domain();
  if (domain == options_.trust_domain) return absl::OkStatus();
  const char* other = options_.shared_roots.empty() ? "use an empty --data-dir"
                                                    : "delete the Secret tulle-ca to make new ones";
  return absl::FailedPreconditionError(absl::StrCat("the root is for trust domain ",
                                                    std::string(domain),
                                                    ": set --trust-domain to it, or ", other));
}

absl::Status MeshAuthority::StartAfresh(int64_t now) {
  auto root = certs::Authority::CreateRoot(options_.trust_domain, *keys_, now,
                                           options_.root_lifetime_seconds);
  if (!root.ok()) return root.status();
  rotation_.Resume(RotationPhase::kSteady, now);
  Roots roots = {{*std::move(root)}, {}, RotationPhase::kSteady, now};
  roots.generation = 1;
  const absl::Status saved = Save(roots);
  if (saved.ok()) Adopt(std::move(roots));
  return saved;
}

absl::Status MeshAuthority::LoadOutstanding() {
  const auto record = store_->Get(Collection::kAuthority, kOutstandingKey);
  if (!record.ok() || !*record) return record.status();
  try {
    const Json json = Json::parse((*record)->value);
    rotation_.OnIssued(json.at("any").get<int64_t>(), false);
    rotation_.OnIssued(json.at("inFiles").get<int64_t>(), true);
    // Stores of versions that did not record holders: any workload may have a certificate.
    rotation_.WaitUntil(json.value("unknown", json.at("any").get<int64_t>()));
  } catch (const Json::exception& error) {
    return Damaged(error.what());
  }
  saved_ = rotation_.outstanding();
  const absl::Status loaded = LoadCertificates(store_, &issued_);
  return loaded.ok() ? LoadHolders(store_, saved_.any, &rotation_) : loaded;
}

absl::Status MeshAuthority::Save(const Roots& roots) {
  store::Transaction transaction("tulle-control", roots.since);
  transaction.Put(Collection::kAuthority, kRootsKey, ToRecord(roots));
  return store_->Commit(transaction).status();
}

absl::StatusOr<bool> MeshAuthority::PutInForce(Roots roots) {
  if (propose_) {
    ProposeNext(std::move(roots));
    return false;
  }
  const absl::Status saved = Save(roots);
  if (!saved.ok()) return saved;
  EnterPhase(roots);
  Adopt(std::move(roots));
  return true;
}

// REQUIRES: roots_ are still the former ones. Of shared roots, phases between those and these may
// have been missed, and even the end of one rotation and the begin of another one.
void MeshAuthority::EnterPhase(const Roots& roots) {
  const RotationPhase former = rotation_.phase();
  if (roots.phase == former && roots.since == rotation_.since()) return;
  const auto newest = [](const Roots& of) { return of.active.back().certificate().sha256(); };
  const bool goes_on = former == RotationPhase::kAnnouncing &&
                       roots.phase == RotationPhase::kRenewing && newest(roots) == newest(roots_);
  if (roots.phase != RotationPhase::kSteady && !goes_on) {
    if (former != RotationPhase::kSteady) rotation_.Enter(RotationPhase::kSteady, roots.since);
    rotation_.Begin(roots.since);
  }
  if (roots.phase != RotationPhase::kAnnouncing) rotation_.Enter(roots.phase, roots.since);
}

absl::StatusOr<bool> MeshAuthority::AdoptShared(const std::string& record, int64_t now) {
  if (record == Record()) {
    is_unshared_ = false;
    return false;
  }
  auto roots = ParseRoots(record);
  if (!roots.ok()) return roots.status();
  const absl::Status checked = Check(*roots);
  if (!checked.ok()) return absl::InvalidArgumentError(std::string(checked.message()));
  if (const absl::Status newer = CheckIsNewer(*roots); !newer.ok()) return newer;
  if (roots->have_ended(now)) return absl::FailedPreconditionError("they have expired");
  // A version that does not count has written it: the next change counts on from here.
  roots->generation = std::max(roots->generation, roots_.generation);
  Evictions evictions = std::exchange(roots->evictions, roots_.evictions);
  const absl::Status saved = Save(*roots);
  if (!saved.ok()) return absl::UnavailableError(std::string(saved.message()));
  EnterPhase(*roots);
  Adopt(*std::move(roots));
  TakeEvictions(std::move(evictions), now, /*at_start=*/false);
  Share();
  return true;
}

// Sidecars may already have certificates of a later root: an older record would break the mesh. The
// next Share() replaces it.
absl::Status MeshAuthority::CheckIsNewer(const Roots& roots) {
  if (roots.generation == 0 || roots.generation >= roots_.generation) return absl::OkStatus();
  is_unshared_ = true;
  return absl::AbortedError(absl::StrCat(
      "they are older (generation ", roots.generation, ") than those in use (generation ",
      roots_.generation,
      ") and are replaced by these; to go back to a backup, scale tulle-control to 0 replicas "
      "before you restore it"));
}

// What an identity had when the eviction was seen is revoked. At a start, certificates that end
// later than any of that time can were issued since.
void MeshAuthority::TakeEvictions(Evictions theirs, int64_t now, bool at_start) {
  Evictions& known = roots_.evictions;
  // One that has ended and was forgotten here is not a new one.
  theirs.Advance(now - certs::kBackdateSeconds);
  known.Advance(now - certs::kBackdateSeconds);
  for (const auto& [identity, eviction] : theirs.all()) {
    const bool is_new = known.Evict(identity, eviction.at, eviction.until);
    for (const auto& [serial, end] : eviction.certificates) {
      known.AddCertificate(identity, serial, end);
      const IssuedCertificates::Entry* entry = issued_.Find({end, serial});
      if (end > now && (entry == nullptr || entry->revoked_at == 0))
        issued_.Add({end, serial}, identity, eviction.at);
    }
    if (!is_new) continue;
    std::vector<IssuedCertificates::Key> keys = issued_.ValidOf(identity);
    if (at_start) {
      std::erase_if(keys,
                    [until = eviction.until](const auto& key) { return key.not_after >= until; });
    }
    RevokeKnown(identity, keys, eviction.at);
  }
  is_unshared_ = !known.IsWithin(theirs);
  SignRevocations();
}

void MeshAuthority::RevokeKnown(const std::string& identity,
                                const std::vector<IssuedCertificates::Key>& keys, int64_t at) {
  issued_.Revoke(keys, at);
  rotation_.Forget(identity);
  if (!roots_.evictions.Has(identity)) return;
  for (const IssuedCertificates::Key& key : keys) {
    if (!roots_.evictions.AddCertificate(identity, key.serial, key.not_after))
      ++unshared_certificates_;
  }
}

void MeshAuthority::ProposeNext(Roots roots) {
  roots.generation = roots_.generation + 1;
  propose_(ToRecord(roots));
}

void MeshAuthority::Share() {
  if (propose_ && is_unshared_) ProposeNext(roots_);
}

void MeshAuthority::OnShown(std::string_view identity, const certs::Certificate& leaf) {
  const IssuedCertificates::Key key{leaf.not_after(), leaf.serial()};
  if (issued_.Find(key) == nullptr) issued_.Add(key, identity);
}

// REQUIRES: rotation_ is in the phase that these roots belong to.
void MeshAuthority::Adopt(Roots roots) {
  roots_ = std::move(roots);
  trust_bundle_pem_ = signing().certificate().ToPem();
  for (const certs::Authority& root : roots_.active) {
    if (&root != &signing()) trust_bundle_pem_ += root.certificate().ToPem();
  }
  roots_for_joining_pem_ = trust_bundle_pem_;
  for (const FormerRoot& root : roots_.former) {
    if (root.until != 0) roots_for_joining_pem_ += root.certificate_pem;
  }
  SignRevocations();
}

// Each root names all, whoever issued them: serial numbers are random.
void MeshAuthority::SignRevocations() {
  const std::vector<certs::RevokedSerial> revoked = issued_.Revoked();
  revocations_pem_.clear();
  if (revoked.empty()) return;
  for (const certs::Authority& root : roots_.active) {
    const auto list = certs::IssueRevocationList(root, revoked, root.certificate().not_before());
    // Cannot fail for serial numbers that were parsed from certificates.
    if (list.ok()) revocations_pem_ += *list;
  }
}

absl::StatusOr<size_t> MeshAuthority::Revoke(const certs::SpiffeId& id, std::string_view author,
                                             int64_t now) {
  const std::string identity = id.ToString();
  const std::vector<IssuedCertificates::Key> keys = issued_.ValidOf(identity);
  roots_.evictions.Advance(now - certs::kBackdateSeconds);
  // Of an identity that is evicted, the time alone is enough for the control plane: its
  // certificates may be more than there is room for.
  if (is_shared() && !roots_.evictions.HasRoomFor(identity)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(Evictions::kMostIdentities,
                     " identities are evicted, which is all that the Secret has "
                     "room for: wait until the certificates of some have expired"));
  }
  store::Transaction transaction(std::string(author), now);
  AddRevoked(keys, identity, now, &transaction);
  if (!keys.empty()) {
    const auto revision = store_->Commit(transaction);
    if (!revision.ok()) return revision.status();
  }
  if (is_shared()) {
    roots_.evictions.Evict(identity, now, now + options_.svid_lifetime_seconds);
    is_unshared_ = true;
  }
  RevokeKnown(identity, keys, now);
  Share();
  SignRevocations();
  return keys.size();
}

// Certificates are issued even if the disk is full: the record is kept in memory and written later.
// For a certificate in a file, the record is written before the caller gets it: its holder never
// connects, so after a crash a rotation would not know that it must wait for it.
void MeshAuthority::NoteIssued(const certs::Certificate& leaf, Holder holder,
                               UnseenCertificates::Certificate certificate, bool is_pod) {
  const bool in_file = holder == Holder::kFile;
  const int64_t now = certificate.issued_at;
  const RootRotation::Outstanding& known = rotation_.outstanding();
  if (leaf.not_after() > (in_file ? known.in_files : known.any)) {
    const int64_t step = std::max<int64_t>(options_.svid_lifetime_seconds / kOutstandingSteps, 1);
    rotation_.OnIssued((leaf.not_after() / step + 1) * step, in_file);
  }
  issued_.Add({leaf.not_after(), leaf.serial()}, leaf.uri_sans().front());
  certificate.not_after = leaf.not_after();
  // Shared roots: a pod may show it to any replica, and a rotation waits for all pods anyway.
  const bool is_elsewhere = is_pod && is_shared();
  if (!in_file && !is_elsewhere) rotation_.OnIssued(leaf.sha256(), std::move(certificate));
  if (on_unsaved_ && !in_file) return on_unsaved_();
  SaveIssued(now);
}

void MeshAuthority::SaveIssued(int64_t now) {
  const RootRotation::Outstanding& known = rotation_.outstanding();
  const RootRotation::Changed changed = rotation_.TakeChanged();
  store::Transaction transaction("tulle-control", now);
  AddHolders(rotation_, changed, &transaction);
  const std::set<IssuedCertificates::Key> certificates = issued_.TakeChanged();
  AddCertificates(issued_, certificates, &transaction);
  if (known != saved_) {
    transaction.Put(
        Collection::kAuthority, kOutstandingKey,
        Json({{"any", known.any}, {"inFiles", known.in_files}, {"unknown", known.unknown}}).dump());
  }
  if (transaction.changes().empty()) return;
  if (store_->Commit(transaction).ok()) {
    saved_ = known;
  } else {
    rotation_.MarkChanged(changed);
    issued_.MarkChanged(certificates);
  }
}

absl::Status MeshAuthority::Admit(const std::string& identity, const Asker& asker, int64_t now) {
  absl::Status status;
  if (issued_.CountValid(identity) >= options_.most_valid_of_one_identity) {
    ++refusals_.too_many;
    status = absl::ResourceExhaustedError(absl::StrCat(
        identity, " has ", options_.most_valid_of_one_identity,
        " valid certificates, which is the limit: if its replicas do not explain that many, run "
        "`tullectl evict`; otherwise wait until some expire, or set a shorter --svid-ttl"));
  } else if (!TakeRate(identity, asker.pod, now)) {
    ++refusals_.too_often;
    status = absl::UnavailableError(
        absl::StrCat(identity, " requested too many certificates: try again in a minute; if this ",
                     "continues, find the instance in the log of tulle-control"));
  } else {
    return absl::OkStatus();
  }
  const std::string& address = asker.address;
  refusals_.latest = absl::StrCat(address, address.empty() ? "" : ": ", status.message());
  return status;
}

// Whoever is over their own rate takes nothing from the others'.
bool MeshAuthority::TakeRate(const std::string& identity, const std::string& pod, int64_t now) {
  const bool has_own = pod.empty() ? identities_.Take(identity, now)
                                   : pods_.Take(pod, now) && accounts_.Take(identity, now);
  return has_own && all_.Take("", now);
}

absl::StatusOr<IssuedSvid> MeshAuthority::Issue(const certs::SpiffeId& caller,
                                                std::string_view csr_pem,
                                                std::optional<int64_t> lifetime_seconds,
                                                Holder holder, int64_t now, const Asker& asker) {
  if (!caller.namespace_name()) {
    return absl::InvalidArgumentError(
        absl::StrCat(caller.ToString(), " is not a workload identity: use /ns/NS/sa/ACCOUNT"));
  }
  if (is_current_ && !is_current_()) {
    return absl::UnavailableError(
        "this replica of the control plane cannot reach the Kubernetes API server, so its root may "
        "be outdated: try again");
  }
  const absl::Status admitted = Admit(caller.ToString(), asker, now);
  if (!admitted.ok()) return admitted;
  const auto request = certs::CertificateRequest::Parse(csr_pem);
  if (!request.ok()) return request.status();
  certs::SvidRequest order{caller, request->public_key()};
  order.labels = request->labels();
  order.lifetime_seconds = std::clamp(lifetime_seconds.value_or(options_.svid_lifetime_seconds),
                                      kShortestLifetime, options_.svid_lifetime_seconds);
  const auto leaf = signing().Issue(order, *keys_, now);
  if (!leaf.ok()) return leaf.status();
  ++issued_count_;
  NoteIssued(*leaf, holder,
             {.issued_at = now,
              .renews = asker.certificate_sha256,
              .joiner = absl::StrCat(caller.ToString(), " ", asker.address)},
             !asker.pod.empty());
  return IssuedSvid{leaf->ToPem(), trust_bundle_pem_, leaf->not_after(), caller.ToString()};
}

bool MeshAuthority::HasRenewed(std::string_view issuer) const {
  if (rotation_.phase() != RotationPhase::kRenewing) return false;
  const bssl::UniquePtr<ASN1_OCTET_STRING> key(static_cast<ASN1_OCTET_STRING*>(X509_get_ext_d2i(
      signing().certificate().native(), NID_subject_key_identifier, nullptr, nullptr)));
  return key != nullptr && TextOf(key.get()) == issuer;
}

absl::StatusOr<IssuedSvid> MeshAuthority::IssueOwn(const certs::PrivateKey& key,
                                                   std::vector<std::string> dns_names,
                                                   std::vector<std::string> ip_addresses,
                                                   int64_t now) const {
  const auto id =
      certs::SpiffeId::Parse(certs::SpiffeUri(options_.trust_domain, certs::kControlPlanePath));
  if (!id.ok()) return id.status();
  certs::SvidRequest order{*id, key.native()};
  order.lifetime_seconds = options_.svid_lifetime_seconds;
  order.dns_names = std::move(dns_names);
  order.ip_addresses = std::move(ip_addresses);
  const auto leaf = signing().Issue(order, *keys_, now);
  if (!leaf.ok()) return leaf.status();
  std::string chain = leaf->ToPem();
  for (auto root = roots_.former.rbegin(); root != roots_.former.rend(); ++root) {
    chain += root->successor_pem;
  }
  return IssuedSvid{std::move(chain), trust_bundle_pem_, leaf->not_after(), id->ToString()};
}

int64_t MeshAuthority::root_life_seconds() const {
  const certs::Certificate& root = signing().certificate();
  return root.not_after() - root.not_before() - certs::kBackdateSeconds;
}

bool MeshAuthority::RotationIsDue(int64_t now) const {
  return rotation_.phase() == RotationPhase::kSteady &&
         signing().certificate().not_after() - now < root_life_seconds() / 5;
}

absl::Status MeshAuthority::BeginRotation(int64_t now) {
  if (rotation_.phase() != RotationPhase::kSteady) {
    const std::vector<std::string> waiting = rotation_.waiting();
    return absl::FailedPreconditionError(absl::StrCat(
        "a root rotation is already in progress (", NameOf(rotation_.phase()), "), waiting for ",
        waiting.empty() ? "no workload; it continues automatically"
                        : absl::StrJoin(waiting, ", ")));
  }
  auto root = certs::Authority::CreateRoot(options_.trust_domain, *keys_, now,
                                           options_.root_lifetime_seconds);
  if (!root.ok()) return root.status();
  Roots roots = roots_;
  roots.active.push_back(*std::move(root));
  roots.phase = RotationPhase::kAnnouncing;
  roots.since = now;
  return PutInForce(std::move(roots)).status();
}

void MeshAuthority::SaveChanges(int64_t now) {
  // Some clocks are behind. Sidecars learn of a shorter list with the next change of the roots.
  if (issued_.Advance(now - certs::kBackdateSeconds)) SignRevocations();
  roots_.evictions.Advance(now - certs::kBackdateSeconds);
  SaveIssued(now);  // what fails is tried again at the next call
  Share();
}

absl::StatusOr<bool> MeshAuthority::AdvanceRotation(int64_t now) {
  SaveChanges(now);
  const RotationPhase phase = rotation_.DuePhase(now);
  if (phase == rotation_.phase()) return ForgetFormerRoots(now);
  Roots roots = roots_;
  roots.phase = phase;
  roots.since = now;
  const absl::Status status = TakeStep(now, &roots);
  if (!status.ok()) return status;  // the step stays due
  return PutInForce(std::move(roots));
}

absl::Status MeshAuthority::ForceRotation(int64_t now) {
  if (rotation_.phase() == RotationPhase::kSteady) {
    return absl::FailedPreconditionError(
        "no root rotation is in progress: start one with `tullectl cert rotate`");
  }
  rotation_.Force();
  return AdvanceRotation(now).status();
}

// What their phase changes in the roots: before the new root signs, the old one vouches for it;
// once all have renewed, the key of the old one is deleted.
absl::Status MeshAuthority::TakeStep(int64_t now, Roots* roots) {
  if (roots->phase == RotationPhase::kRenewing) {
    const certs::Authority& old = roots->active.front();
    // One that has ended vouches for none; the rotation is the way out of that.
    if (old.certificate().not_after() <= now) return absl::OkStatus();
    const auto successor = old.CrossSign(roots->active.back(), *keys_, now);
    if (!successor.ok()) return successor.status();
    roots->former.push_back({old.certificate().ToPem(), successor->ToPem(), 0});
    return absl::OkStatus();
  }
  const auto last_token = JoinTokens(store_, keys_).LatestExpiry();
  if (!last_token.ok()) return last_token.status();
  roots->active.erase(roots->active.begin());
  if (!roots->former.empty() && roots->former.back().until == 0) {
    roots->former.back().until = std::max(*last_token, now);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> MeshAuthority::ForgetFormerRoots(int64_t now) {
  const auto is_over = [now](const FormerRoot& root) {
    return root.until != 0 && root.until <= now;
  };
  if (std::none_of(roots_.former.begin(), roots_.former.end(), is_over)) return false;
  Roots roots = roots_;
  std::erase_if(roots.former, is_over);
  return PutInForce(std::move(roots));
}

}  // namespace tulle::ca
