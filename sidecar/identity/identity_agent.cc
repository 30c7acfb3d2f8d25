#include "sidecar/identity/identity_agent.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "certs/certificate.h"
#include "certs/csr.h"
#include "certs/spiffe_id.h"
#include "certs/spiffe_names.h"
#include "certs/workload_labels.h"
#include "sidecar/identity/state_file.h"
#include "tulle/ca/v1/ca.pb.h"

namespace tulle::identity {
namespace {

constexpr char kGetTrustBundle[] = "/tulle.ca.v1.CertificateAuthority/GetTrustBundle";
constexpr char kCreateCertificate[] = "/tulle.ca.v1.CertificateAuthority/CreateCertificate";
// A channel that is deleted at the end of the turn, since one of its callbacks may be running.
struct Discarded final : Deletable {
  explicit Discarded(std::unique_ptr<grpc::Channel> one) : channel(std::move(one)) {}
  std::unique_ptr<grpc::Channel> channel;
};

constexpr loop::Duration kCallTimeout = std::chrono::seconds(10);
// A wall clock that is behind the certificate by more than this is believed.
constexpr int64_t kClockDoubtSeconds = 24 * 3600;

// "tulle1.ROOT-KEY-HASH.SECRET"
std::string PinOf(const std::string& token) {
  const size_t first = token.find('.');
  const size_t second = first == std::string::npos ? first : token.find('.', first + 1);
  if (second == std::string::npos || token.substr(0, first) != "tulle1") return "";
  return token.substr(first + 1, second - first - 1);
}

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.pop_back();
  return text;
}

}  // namespace

IdentityAgent::IdentityAgent(loop::Loop& loop, const tls::SecureTransports& transports,
                             certs::KeySource& keys, AgentOptions options, Events& events)
    : loop_(loop),
      keys_(keys),
      options_(std::move(options)),
      file_(options_.state_directory),
      events_(events),
      dialer_(loop, transports, options_.control),
      renewal_(loop, [this] { Renew(); }) {}

IdentityAgent::~IdentityAgent() = default;

// A clock that is behind by hours does not invalidate it: the control plane goes by its own.
bool IdentityAgent::ValidNow() const {
  const int64_t now = renewal_.WallSeconds();
  return identity_ != nullptr && now < identity_->not_after &&
         now > identity_->not_before - kClockDoubtSeconds;
}

void IdentityAgent::Start() {
  auto stored = file_.Load();
  if (stored.ok()) {
    identity_ = *stored;
    roots_pem_ = identity_->roots_pem;
    if (ValidNow()) {
      events_.OnIdentity(identity_);
      const X509* leaf = identity_->tls->chain.front().native();
      if (certs::LabelsTextOf(leaf) != certs::TextOf(options_.labels)) return Renew();
      return renewal_.Schedule(identity_->not_before, identity_->not_before, identity_->not_after,
                               /*is_new=*/false);
    }
  } else if (!absl::IsNotFound(stored.status())) {
    events_.OnIdentityError(std::string(stored.status().message()));
  }
  Renew();
}

void IdentityAgent::Renew() {
  renewal_.Stop();
  token_.clear();
  // A token once for each rejection, then the certificate again: the rejection may be a mistake, of
  // a clock for example, and the token has usually expired.
  const bool is_rejected = std::exchange(is_rejected_, false);
  if (!options_.roots_file.empty()) {
    if (const absl::Status read = ReadAccountToken(); !read.ok())
      return Fail(std::string(read.message()));
  } else if (ValidNow() && !is_rejected) {
    roots_pem_ = identity_->roots_pem;
  } else if (const absl::Status read = ReadJoinToken(); !read.ok()) {
    return Fail(std::string(read.message()));
  }
  OpenChannel();
}

absl::Status IdentityAgent::ReadJoinToken() {
  if (options_.token_file.empty()) {
    return absl::NotFoundError(
        "no valid certificate and no join token: create a token with `tullectl token create` and "
        "pass --token-file");
  }
  auto token = ReadTokenFile(options_.token_file);
  if (!token.ok()) return token.status();
  token_ = Trimmed(*std::move(token));
  if (PinOf(token_).empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options_.token_file,
                     ": invalid join token (expected tulle1.HASH.SECRET); create one with "
                     "`tullectl token create`"));
  }
  // The roots that were stored may have been replaced meanwhile: the token says which to trust.
  roots_pem_.clear();
  return absl::OkStatus();
}

// The file may lag behind the roots that came over xDS, and the other way round after a long sleep.
absl::Status IdentityAgent::ReadAccountToken() {
  auto token = ReadStateFile(options_.token_file);
  if (!token.ok()) return token.status();
  auto roots = ReadStateFile(options_.roots_file);
  if (!roots.ok()) return roots.status();
  if (!certs::ParsePemCertificates(*roots).ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options_.roots_file, ": invalid roots: expected certificates in PEM"));
  }
  token_ = Trimmed(*std::move(token));
  if (token_.empty())
    return absl::InvalidArgumentError(absl::StrCat(options_.token_file, " is empty"));
  roots_pem_ = *std::move(roots);
  if (ValidNow()) absl::StrAppend(&roots_pem_, "\n", identity_->roots_pem);
  return absl::OkStatus();
}

void IdentityAgent::OnRejected() {
  if (options_.token_file.empty() || std::exchange(is_rejected_, true)) return;
  if (failures_ > 0) return;  // the next attempt is on its way
  Fail("the control plane rejected the certificate, which may have been revoked; joining again");
}

void IdentityAgent::OpenChannel() {
  CloseChannel();
  grpc::ChannelOptions options;
  options.authority = "tulle-control";
  if (!token_.empty() && !roots_pem_.empty())
    options.metadata = {{"authorization", "Bearer " + token_}};
  channel_ = std::make_unique<grpc::Channel>(
      loop_,
      [this] {
        if (token_.empty()) return Connect();
        tls::ClientTlsSpec spec;
        if (!roots_pem_.empty()) {
          auto trust = certs::TrustBundle::AnyDomainFromPem(roots_pem_);
          // Never without them: the token would go to whoever answers.
          if (!trust.ok()) return std::unique_ptr<Transport>();
          spec.trust = std::make_shared<certs::TrustBundle>(*std::move(trust));
        }
        return dialer_.Dial(std::move(spec));
      },
      options, static_cast<grpc::ChannelEvents&>(*this));
  channel_->Start();
}

std::unique_ptr<Transport> IdentityAgent::Connect() {
  if (identity_ == nullptr) return nullptr;
  tls::ClientTlsSpec spec;
  spec.identity = identity_->tls;
  spec.trust = identity_->trust;
  return dialer_.Dial(std::move(spec));
}

void IdentityAgent::OnChannelReady() {
  if (roots_pem_.empty()) return AskForRoots();
  AskForCertificate();
}

// Starts again instead of leaving it to the channel: by then the certificate may have expired, and
// another root and token may be required.
void IdentityAgent::OnChannelLost(Failure why) {
  if (call_ != nullptr) return;  // the call reports it
  is_rejected_ = is_rejected_ || (tls::IsRefusedByPeer(why) && !options_.token_file.empty());
  std::string cause = absl::StrReplaceAll(std::string(why.facts().cause), {{"_", " "}});
  if (*why.detail != '\0') absl::StrAppend(&cause, ": ", why.detail);
  Fail(absl::StrCat(
      "the control plane cannot be reached (", cause,
      "); retrying. Check that tulle-control is running, and that --control is its --grpc port"));
}

void IdentityAgent::AskForRoots() {
  call_ = channel_->NewUnaryCall(
      kGetTrustBundle, "", kCallTimeout,
      [this](const grpc::Status& status, std::string response) { OnRoots(status, response); });
}

void IdentityAgent::OnRoots(const grpc::Status& status, const std::string& response) {
  loop_.DeferDelete(std::move(call_));
  ca::v1::GetTrustBundleResponse bundle;
  if (!status.ok() || !bundle.ParseFromString(response)) {
    return Fail(
        absl::StrCat("cannot get the root certificates of the control plane: ", status.message));
  }
  const std::string roots = absl::StrJoin(bundle.trust_bundle(), "");
  auto certificates = certs::ParsePemCertificates(roots);
  const std::string pin = PinOf(token_);
  const auto is_pinned = [&](const certs::Certificate& root) {
    bssl::UniquePtr<EVP_PKEY> key(X509_get_pubkey(root.native()));
    return key != nullptr && certs::PublicKeyHashOf(key.get()) == pin;
  };
  if (!certificates.ok()) certificates = std::vector<certs::Certificate>();
  const auto pinned = std::find_if(certificates->begin(), certificates->end(), is_pinned);
  if (pinned == certificates->end()) {
    return Fail(
        "the join token was issued by another control plane, or the connection is intercepted: "
        "create a new token with `tullectl token create` if the mesh was set up again");
  }
  // That one alone: an attacker in between could add a root of its own to the real one. The others
  // come with the certificate, on a verified connection.
  roots_pem_ = pinned->ToPem();
  OpenChannel();
}

void IdentityAgent::AskForCertificate() {
  const certs::PrivateKey key = keys_.Generate();
  key_pem_ = key.ToPem();
  // The name in a request is ignored; it has to be well-formed.
  auto id = certs::SpiffeId::Parse(identity_ == nullptr ? certs::SpiffeUri("cluster.local", "/new")
                                                        : identity_->spiffe_id);
  ca::v1::CreateCertificateRequest request;
  request.set_csr_pem(certs::BuildCertificateRequest(key, *id, options_.labels));
  call_ = channel_->NewUnaryCall(kCreateCertificate, request.SerializeAsString(), kCallTimeout,
                                 [this](const grpc::Status& status, std::string response) {
                                   OnCertificate(status, response);
                                 });
}

void IdentityAgent::OnCertificate(const grpc::Status& status, const std::string& response) {
  loop_.DeferDelete(std::move(call_));
  ca::v1::CreateCertificateResponse answer;
  if (!status.ok() || !answer.ParseFromString(response)) {
    return Fail(absl::StrCat("the certificate request failed: ", status.message));
  }
  auto identity = MakeIdentity(key_pem_, absl::StrJoin(answer.certificate_chain(), ""),
                               absl::StrJoin(answer.trust_bundle(), ""));
  key_pem_.clear();
  if (!identity.ok()) return Fail(std::string(identity.status().message()));
  Adopt(*std::move(identity));
}

void IdentityAgent::Adopt(std::shared_ptr<const Identity> identity) {
  failures_ = 0;
  failing_ = {};
  is_rejected_ = false;
  identity_ = std::move(identity);
  roots_pem_ = identity_->roots_pem;
  token_.clear();
  CloseChannel();
  if (absl::Status saved = file_.Save(*identity_); !saved.ok()) {
    events_.OnIdentityError(std::string(saved.message()));
  }
  events_.OnIdentity(identity_);
  const int64_t now = renewal_.WallSeconds();
  if (const int64_t behind = identity_->not_before - now; behind > 0) {
    events_.OnIdentityError(absl::StrCat(
        "the certificate becomes valid in ", behind,
        " s by this host's clock, which is behind that of the control plane: connections to peers "
        "fail until then; synchronize the clock"));
  }
  // Not from not_before, which authorities set some minutes back: much of a short life.
  renewal_.Schedule(now, identity_->not_before, identity_->not_after, /*is_new=*/true);
}

void IdentityAgent::SetRoots(const std::string& roots_pem) {
  if (identity_ == nullptr || identity_->roots_pem == roots_pem) return;
  auto changed = MakeIdentity(identity_->key_pem, identity_->chain_pem, roots_pem);
  if (!changed.ok()) return events_.OnIdentityError(std::string(changed.status().message()));
  identity_ = *std::move(changed);
  roots_pem_ = roots_pem;
  // The root that signs now comes first. Under another one, a new certificate is needed before the
  // old root is removed.
  auto roots = certs::ParsePemCertificates(roots_pem_);
  const bool signed_by_first =
      roots.ok() && X509_check_issued(roots->front().native(),
                                      identity_->tls->chain.front().native()) == X509_V_OK;
  if (!signed_by_first) renewal_.ScheduleIn(std::chrono::milliseconds(loop_.random().Below(1000)));
  if (absl::Status saved = file_.Save(*identity_); !saved.ok()) {
    events_.OnIdentityError(std::string(saved.message()));
  }
  events_.OnIdentity(identity_);
}

void IdentityAgent::Fail(const std::string& error) {
  key_pem_.clear();
  CloseChannel();
  const std::string report = failing_.Next(error, loop_.Now());
  if (!report.empty()) events_.OnIdentityError(report);
  const uint64_t cap = std::min<uint64_t>(uint64_t{500} << std::min(failures_++, 5u), 10000);
  renewal_.ScheduleIn(std::chrono::milliseconds(100 + loop_.random().Below(cap)));
}

void IdentityAgent::CloseChannel() {
  // This may run inside a callback of the channel or its call.
  if (call_ != nullptr) loop_.DeferDelete(std::move(call_));
  if (channel_ != nullptr) loop_.DeferDelete(std::make_unique<Discarded>(std::move(channel_)));
}

}  // namespace tulle::identity
