// The mesh's certificate authority: roots kept in the store, SVIDs for callers that have proved who
// they are. Roots and evictions may be shared by replicas: then a change of roots is proposed to
// all, and in force with AdoptShared(); an eviction is in force here at once, and proposed until
// all share it.
//
// Owner and thread: the store's thread, since every change is written before it counts. Times in
// seconds since the epoch, passed in. Errors: absl::Status; kInvalidArgument for a bad request (fix
// the CSR), kUnavailable when one identity asks too often, kResourceExhausted when it has too many
// valid certificates, kUnauthenticated never here: whoever calls Issue has authenticated the caller
// by join token or SVID.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "certs/authority.h"
#include "certs/private_key.h"
#include "certs/spiffe_id.h"
#include "control-plane/ca/evictions.h"
#include "control-plane/ca/issued_certificates.h"
#include "control-plane/ca/root_rotation.h"
#include "control-plane/ca/roots_record.h"
#include "control-plane/ca/signing_limit.h"
#include "control-plane/store/store.h"

namespace tulle::ca {

struct IssuedSvid {
  std::string certificate_pem;
  std::string trust_bundle_pem;
  int64_t not_after = 0;
  std::string spiffe_id;
};

// The authority key identifier: which root has signed the certificate. Empty: it does not say.
std::string IssuerOf(const certs::Certificate& leaf);

class MeshAuthority {
 public:
  struct Options {
    std::string trust_domain = "cluster.local";
    int64_t svid_lifetime_seconds =
        certs::kSvidLifetimeSeconds;  // --svid-ttl; also the most one may ask for
    int64_t root_lifetime_seconds = certs::kRootLifetimeSeconds;  // --root-ttl
    // Bounds the memory and the revocation list that a compromised workload can cause. Replicas
    // that renew at half life have two or three each; see docs/identity.md.
    size_t most_valid_of_one_identity = 20'000;
    // A Record() that is used instead of the store's roots; empty: the store's.
    std::string shared_roots;
  };

  // Reads the roots; an empty store gets its first one. `store` and `keys` outlive this.
  static absl::StatusOr<std::unique_ptr<MeshAuthority>> Open(const Options& options,
                                                             store::Store* store,
                                                             certs::KeySource* keys, int64_t now);

  // `caller` is whom the token or the presented SVID proved. Of the CSR only the public key and the
  // labels count. `lifetime_seconds`: as requested; if absent or too long, svid_lifetime_seconds().
  // kFile: for a proxy that reads it from a file, so that no connection shows which roots it
  // trusts.
  enum class Holder { kSidecar, kFile };
  // Distinguishes a sidecar that repeats its request from another one of the same identity.
  struct Asker {
    std::string certificate_sha256;  // that it presented; empty: it had a join token
    std::string address;
    std::string pod;  // uid that the API server has proved; empty: it is no pod
  };
  // An identity without pods shares its rate among its replicas, which may all start at once. Pods
  // have one each, and their account a generous one: 3,000 of them may start at once.
  static constexpr SigningLimit::Rate kRate{300, 5};
  static constexpr SigningLimit::Rate kRateOfPod{20, 1};
  static constexpr SigningLimit::Rate kRateOfPods{3000, 50};  // of one account
  static constexpr SigningLimit::Rate kRateOfAll{20000, 500};
  absl::StatusOr<IssuedSvid> Issue(const certs::SpiffeId& caller, std::string_view csr_pem,
                                   std::optional<int64_t> lifetime_seconds, Holder holder,
                                   int64_t now, const Asker& asker = {});
  // The control plane's own certificate, which is dialled by name and address; then those by which
  // the former roots vouch for the signing one.
  absl::StatusOr<IssuedSvid> IssueOwn(const certs::PrivateKey& key,
                                      std::vector<std::string> dns_names,
                                      std::vector<std::string> ip_addresses, int64_t now) const;

  // Each Issue() stores the holder of the certificate. With an observer, SaveIssued() stores many
  // together instead, except for Holder::kFile: after a crash, sidecars present their certificates
  // again, but files do not. A record that cannot be stored is retried.
  void SetUnsavedObserver(std::function<void()> observer) { on_unsaved_ = std::move(observer); }
  void SaveIssued(int64_t now);

  // Revokes every certificate of the identity that has not expired and returns how many there were.
  // On disk when it returns; an error has changed nothing. If roots are shared, other replicas
  // revoke those that they have issued; kResourceExhausted: there is no room for more.
  absl::StatusOr<size_t> Revoke(const certs::SpiffeId& id, std::string_view author, int64_t now);
  // `leaf`, the certificate that a caller of this identity presented.
  bool IsRevoked(std::string_view identity, const certs::Certificate& leaf) const {
    return issued_.IsRevoked(identity, {leaf.not_after(), leaf.serial()}) ||
           roots_.evictions.Covers(identity, leaf.not_before() + certs::kBackdateSeconds);
  }
  bool HasRevoked(std::string_view identity) const {
    return issued_.HasRevoked(identity) || roots_.evictions.Has(identity);
  }
  // A valid certificate of this identity: another replica has issued it, or an earlier process.
  void OnShown(std::string_view identity, const certs::Certificate& leaf);
  // Revocation lists of all active roots, for those who verify peers; empty: nothing is revoked.
  const std::string& revocations_pem() const { return revocations_pem_; }

  int64_t issued_count() const { return issued_count_; }  // SVIDs of workloads, since the start
  // Requests for one that were refused since the start because of a limit of their identity.
  struct Refusals {
    int64_t too_often = 0;
    int64_t too_many = 0;  // valid ones: see Options
    std::string latest;    // who asked, and why it was refused
  };
  const Refusals& refusals() const { return refusals_; }
  // The identities that have used four fifths of the limit, with their number of certificates.
  std::vector<std::pair<std::string, size_t>> IdentitiesNearLimit() const {
    return issued_.WithAtLeast(std::max<size_t>(options_.most_valid_of_one_identity / 5 * 4, 1));
  }
  size_t most_valid_of_one_identity() const { return options_.most_valid_of_one_identity; }
  const std::string& trust_domain() const { return options_.trust_domain; }
  int64_t svid_lifetime_seconds() const { return options_.svid_lifetime_seconds; }
  // Every root that peers must believe, the signing one first.
  const std::string& trust_bundle_pem() const { return trust_bundle_pem_; }
  // The same, followed by the former roots that join tokens may still name. A joining sidecar finds
  // the root that its token names in it; it must never be trusted as a whole.
  const std::string& roots_for_joining_pem() const { return roots_for_joining_pem_; }
  // Of the signing root's public key: what join tokens carry.
  std::string root_key_hash() const { return signing().key().PublicKeyHash(); }
  // Subject key hash of the root that must have signed a renewed SVID.
  const certs::Authority& signing() const { return roots_.active[signing_index()]; }

  // During kRenewing: whether an SVID of this issuer stays valid when the old root is removed.
  // `issuer`: see IssuerOf().
  bool HasRenewed(std::string_view issuer) const;

  // When the last SVID ends that was ever issued, rounded up; 0: none was.
  int64_t last_svid_ends() const { return rotation_.outstanding().any; }
  // Of the signing root, without the time by which it is dated back.
  int64_t root_life_seconds() const;
  // The root has a fifth of its life left: begin a rotation.
  bool RotationIsDue(int64_t now) const;
  // Rotation. kFailedPrecondition while one is under way (the message names the nodes it waits
  // for).
  absl::Status BeginRotation(int64_t now);
  // To be called after each of the rotation's events and once a minute: carries out the step that
  // is due. True: the bundle or the signing root has changed, tell the nodes.
  absl::StatusOr<bool> AdvanceRotation(int64_t now);
  // The part of it that does not touch the roots: for replicas that do not rotate them.
  void SaveChanges(int64_t now);
  // Carries out the step that a rotation waits for. kFailedPrecondition: none is in progress.
  absl::Status ForceRotation(int64_t now);

  // The roots with their private keys (roots_record.h).
  std::string Record() const { return ToRecord(roots_); }
  // From now on, changed roots are passed to `propose` and nothing else happens. Null: no more.
  using Propose = std::function<void(const std::string& record)>;
  void SetPropose(Propose propose) { propose_ = std::move(propose); }
  bool is_shared() const { return propose_ != nullptr; }
  // Whether shared roots are those that all have. While they may not be, nothing is signed. Null:
  // they always are.
  void SetIsCurrent(std::function<bool()> is_current) { is_current_ = std::move(is_current); }
  // The roots and evictions that all replicas share. True: they are others than before, tell the
  // nodes. An error has changed nothing. No replica can use the record: kDataLoss, it is not JSON;
  // kFailedPrecondition, the roots have expired; kAborted, they are older than the present ones,
  // which SaveChanges() then proposes again. Other replicas may be able to use it: kUnimplemented,
  // it has an unknown format; kInvalidArgument, it is for another trust domain; kUnavailable, it
  // cannot be stored.
  absl::StatusOr<bool> AdoptShared(const std::string& record, int64_t now);
  const Evictions& evictions() const { return roots_.evictions; }
  // Certificates that are revoked here, and that other replicas do not know: there was no room.
  size_t unshared_certificates() const { return unshared_certificates_; }

  RootRotation& rotation() { return rotation_; }
  const RootRotation& rotation() const { return rotation_; }

 private:
  MeshAuthority(Options options, store::Store* store, certs::KeySource* keys)
      : options_(std::move(options)),
        store_(store),
        keys_(keys),
        rotation_(options_.svid_lifetime_seconds) {}

  absl::Status Load(int64_t now);
  absl::Status StartAfresh(int64_t now);
  absl::Status LoadOutstanding();
  absl::Status Check(const Roots& roots) const;
  absl::Status CheckIsNewer(const Roots& roots);
  absl::Status Save(const Roots& roots);
  // Stores them, or proposes them (false).
  absl::StatusOr<bool> PutInForce(Roots roots);
  void EnterPhase(const Roots& roots);
  void Adopt(Roots roots);
  absl::Status TakeStep(int64_t now, Roots* roots);
  absl::StatusOr<bool> ForgetFormerRoots(int64_t now);
  void NoteIssued(const certs::Certificate& leaf, Holder holder,
                  UnseenCertificates::Certificate certificate, bool is_pod);
  void SignRevocations();
  void RevokeKnown(const std::string& identity, const std::vector<IssuedCertificates::Key>& keys,
                   int64_t at);
  void TakeEvictions(Evictions theirs, int64_t now, bool at_start);
  void ProposeNext(Roots roots);
  // Proposes what this replica knows and the shared record does not say.
  void Share();
  // Counts a request of the identity; an error: it has reached one of its limits.
  absl::Status Admit(const std::string& identity, const Asker& asker, int64_t now);
  bool TakeRate(const std::string& identity, const std::string& pod, int64_t now);
  size_t signing_index() const {
    return rotation_.phase() == RotationPhase::kRenewing ? roots_.active.size() - 1 : 0;
  }

  Options options_;
  store::Store* store_;
  certs::KeySource* keys_;
  RootRotation rotation_;
  SigningLimit identities_{kRate}, pods_{kRateOfPod}, accounts_{kRateOfPods}, all_{kRateOfAll};
  IssuedCertificates issued_;
  int64_t issued_count_ = 0;
  Refusals refusals_;
  Roots roots_;
  bool is_unshared_ = false;  // the shared record does not say all of roots_
  size_t unshared_certificates_ = 0;
  RootRotation::Outstanding saved_;
  std::function<void()> on_unsaved_;
  Propose propose_;  // null: the roots are not shared
  std::function<bool()> is_current_;
  std::string trust_bundle_pem_;
  std::string roots_for_joining_pem_;
  std::string revocations_pem_;
};

}  // namespace tulle::ca
