#include "control-plane/server/reviewed_tokens.h"

#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "control-plane/kubernetes/names.h"
#include "k8s/api/json.h"

namespace tulle::server {
namespace {

constexpr char kUseShortToken[] =
    "use `tullectl`, or `kubectl -n tulle-system create token tulle-viewer "
    "--audience=tulle-control "
    "--duration=1h`";

using api::Principal;
using kubernetes::ServiceAccount;
using telemetry::LogComponent;

constexpr size_t kMostKnown = 256;
constexpr size_t kMostReviews = 8;
constexpr loop::Duration kKeepAnswer = std::chrono::seconds(30);
constexpr loop::Duration kKeepFailure = std::chrono::seconds(1);
// The default of `kubectl create token`; clocks may differ by some minutes.
constexpr std::chrono::seconds kLongestValidity = std::chrono::minutes(65);
// A service account's token has about 1 KB.
constexpr size_t kLargestToken = 8 * 1024;

std::array<uint8_t, 32> HashOf(std::string_view token) {
  std::array<uint8_t, 32> hash{};
  SHA256(reinterpret_cast<const uint8_t*>(token.data()), token.size(), hash.data());
  return hash;
}

// The claim `exp` of a JSON Web Token, in Unix seconds. The API server verifies the token.
// Source: RFC 7519, 4.1.4.
std::optional<int64_t> ExpiryOf(std::string_view token) {
  const std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(token.data(), token.size()), '.');
  std::string payload;
  if (parts.size() != 3 || !absl::WebSafeBase64Unescape(parts[1], &payload)) return std::nullopt;
  const k8s::Json claims = k8s::Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  const k8s::Json& expiry = k8s::At(claims, {"exp"});
  if (!expiry.is_number_unsigned() || expiry.get<uint64_t>() > INT64_MAX) return std::nullopt;
  return expiry.get<int64_t>();
}

// `session`: of the token.
absl::StatusOr<Principal> PrincipalOf(const ServiceAccount& account, std::string session) {
  const bool is_ours = account.ns == kubernetes::kControlNamespace;
  if (is_ours && account.name == kubernetes::kViewerAccount)
    return Principal{account.name, api::Role::kReader, std::move(session)};
  if (is_ours && account.name == kubernetes::kAdminAccount)
    return Principal{account.name, api::Role::kAdmin, std::move(session)};
  return absl::PermissionDeniedError(absl::StrCat(
      "the service account ", account.ns, "/", account.name,
      " may not call the API: use a token of tulle-viewer or tulle-admin of tulle-system"));
}

// The API server's own name of the token, which its audit log has too; older ones give none.
std::string SessionOf(const ServiceAccount& account, const std::array<uint8_t, 32>& hash) {
  if (!account.credential_id.empty()) return account.credential_id;
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(hash.data()), hash.size()));
}

}  // namespace

ReviewedTokens::ReviewedTokens(loop::Loop& loop, telemetry::Log& log, Review review)
    : loop_(loop),
      log_(log),
      review_(std::move(review)),
      problems_(loop, log, LogComponent::kApi),
      shares_(kMostReviews) {}

std::optional<absl::StatusOr<Principal>> ReviewedTokens::Find(std::string_view token) {
  const auto found = known_.find(HashOf(token));
  if (found == known_.end()) return std::nullopt;
  if (found->second.until > loop_.Now()) return found->second.caller;
  known_.erase(found);
  return std::nullopt;
}

absl::Status ReviewedTokens::CheckLifetime(std::optional<int64_t> expiry) const {
  if (!expiry) {
    return absl::UnauthenticatedError(
        absl::StrCat("the service account's token does not expire: ", kUseShortToken));
  }
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(loop_.WallNow().time_since_epoch());
  if (*expiry - now.count() <= kLongestValidity.count()) return absl::OkStatus();
  return absl::UnauthenticatedError(
      absl::StrCat("the service account's token is valid for more than an hour: ", kUseShortToken));
}

void ReviewedTokens::Ask(const std::string& source, std::string_view token,
                         std::function<void()> done) {
  const Hash hash = HashOf(token);
  const bool is_under_way = asked_.contains(hash);
  const bool has_room = is_under_way || shares_.HasRoom(source);
  asked_[hash].push_back(std::move(done));
  if (is_under_way) return;
  if (!has_room) {
    return Learn(hash, absl::UnavailableError("too many tokens are being reviewed: try again"));
  }
  if (token.size() > kLargestToken) {
    return Learn(hash, absl::UnauthenticatedError("the token is too large: use `tullectl`"));
  }
  shares_.Begin(source);
  review_(source, token,
          [this, hash, source, expiry = ExpiryOf(token)](absl::StatusOr<ServiceAccount> account) {
            shares_.End(source);
            if (const absl::Status may = CheckLifetime(expiry); account.ok() && !may.ok())
              account = may;
            Learn(hash, std::move(account));
          });
}

void ReviewedTokens::Learn(const Hash& hash, absl::StatusOr<ServiceAccount> account) {
  absl::StatusOr<Principal> caller = account.ok() ? PrincipalOf(*account, SessionOf(*account, hash))
                                                  : absl::StatusOr<Principal>(account.status());
  if (caller.ok()) {
    ++counts_.accepted;
    log_.Write(telemetry::LogLevel::kInfo, LogComponent::kApi,
               absl::StrCat("call with a token of ", account->name, " (credential-id ",
                            account->credential_id.empty() ? "unknown" : account->credential_id,
                            "; the API server's audit log has who requested it)"));
    Keep(hash, std::move(caller), kKeepAnswer);
  } else {
    const bool is_unavailable = absl::IsUnavailable(caller.status());
    ++(is_unavailable ? counts_.unavailable : counts_.refused);
    problems_.Report(absl::StrCat("refused a call of the API: ", caller.status().message()));
    Keep(hash, std::move(caller), is_unavailable ? kKeepFailure : kKeepAnswer);
  }
  const auto waiting = asked_.extract(hash);
  if (waiting.empty()) return;
  for (const auto& done : waiting.mapped()) done();
}

void ReviewedTokens::Keep(const Hash& hash, absl::StatusOr<Principal> caller, loop::Duration time) {
  if (known_.size() >= kMostKnown) {
    known_.erase(std::min_element(known_.begin(), known_.end(), [](const auto& a, const auto& b) {
      return a.second.until < b.second.until;
    }));
  }
  known_.insert_or_assign(hash, Known{std::move(caller), loop_.Now() + time});
}

}  // namespace tulle::server
