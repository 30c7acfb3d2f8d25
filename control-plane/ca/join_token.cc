#include "control-plane/ca/join_token.h"

#include <openssl/mem.h>
#include <openssl/sha.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace tulle::ca {
namespace {

using Json = nlohmann::json;
using store::Collection;

constexpr std::string_view kPrefix = "tulle1.";
constexpr size_t kHexBytes = 64;
constexpr size_t kIdBytes = 12;  // of the hash: enough to tell tokens apart, no use to a guesser
constexpr int64_t kKeptSeconds = 7 * 24 * 3600;

bool IsHex(std::string_view text) {
  return text.size() == kHexBytes && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string HexOf(const uint8_t* bytes, size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

absl::Status Refused() {
  // One answer for all causes: a guesser learns nothing.
  return absl::UnauthenticatedError(
      "the join token is unknown, revoked or expired: create one with `tullectl token create`");
}

absl::StatusOr<TokenGrant> GrantFromJson(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    auto id = certs::SpiffeId::Parse(json.at("id").get<std::string>());
    if (!id.ok()) return id.status();
    return TokenGrant{*std::move(id), json.at("services").get<std::vector<std::string>>(),
                      json.at("expiresAt").get<int64_t>()};
  } catch (const Json::exception& error) {
    return absl::DataLossError(absl::StrCat("a join token's record is damaged: ", error.what()));
  }
}

}  // namespace

std::string HashOfSecret(std::string_view secret) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(secret.data()), secret.size(), digest);
  return HexOf(digest, sizeof(digest));
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string NewSecret(certs::KeySource* keys) {
  uint8_t bytes[32];
  keys->FillRandom(bytes);
  return HexOf(bytes, sizeof(bytes));
}

std::optional<TokenParts> ParseJoinToken(std::string_view token) {
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) {
    token.remove_suffix(1);  // a token file ends in a line feed
  }
  if (token.size() != kPrefix.size() + 2 * kHexBytes + 1 || !token.starts_with(kPrefix)) {
    return std::nullopt;
  }
  token.remove_prefix(kPrefix.size());
  if (token[kHexBytes] != '.') return std::nullopt;
  const std::string_view hash = token.substr(0, kHexBytes);
  const std::string_view secret = token.substr(kHexBytes + 1);
  if (!IsHex(hash) || !IsHex(secret)) return std::nullopt;
  return TokenParts{std::string(hash), std::string(secret)};
}

absl::StatusOr<std::string> JoinTokens::Create(const TokenGrant& grant,
                                               std::string_view root_key_hash,
                                               std::string_view author, int64_t now) {
  if (grant.expires_at <= now) {
    return absl::InvalidArgumentError("the token would already be expired: use a longer --ttl");
  }
  if (!grant.id.namespace_name()) {
    return absl::InvalidArgumentError(absl::StrCat(
        grant.id.ToString(), " is not a workload identity: use spiffe://DOMAIN/ns/NS/sa/ACCOUNT"));
  }
  const std::string secret = NewSecret(keys_);
  store::Transaction transaction{std::string(author), now};
  const Json record = {
      {"id", grant.id.ToString()}, {"services", grant.services}, {"expiresAt", grant.expires_at}};
  transaction.Put(Collection::kJoinToken, HashOfSecret(secret), record.dump());
  transaction.Put(Collection::kIdentity, grant.id.ToString(),
                  Json({{"services", grant.services}}).dump());
  const auto revision = store_->Commit(transaction);
  if (!revision.ok()) return revision.status();
  services_.erase(grant.id.ToString());
  return std::string(kPrefix) + std::string(root_key_hash) + "." + secret;
}

absl::StatusOr<TokenGrant> JoinTokens::Redeem(std::string_view token, int64_t now) {
  const std::optional<TokenParts> parts = ParseJoinToken(token);
  if (!parts) return Refused();
  const std::string hash = HashOfSecret(parts->secret);
  const auto record = store_->Get(Collection::kJoinToken, hash);
  if (!record.ok()) return record.status();
  if (!*record || !EqualInConstantTime((*record)->key, hash)) {
    refused_[""] = {0, now};
    return Refused();
  }
  auto grant = GrantFromJson((*record)->value);
  if (!grant.ok()) return grant;
  if (grant->expires_at <= now) {
    refused_[grant->id.ToString()] = {grant->expires_at, now};
    return Refused();
  }
  refused_.erase(grant->id.ToString());
  return grant;
}

absl::StatusOr<std::vector<std::string>> JoinTokens::ServicesOf(const certs::SpiffeId& id) {
  const std::string key = id.ToString();
  if (const auto known = services_.find(key); known != services_.end()) return known->second;
  const auto record = store_->Get(Collection::kIdentity, key);
  if (!record.ok()) return record.status();
  if (*record) {
    try {
      auto services = Json::parse((*record)->value).at("services").get<std::vector<std::string>>();
      services_[key] = services;
      return services;
    } catch (const Json::exception& error) {
      return absl::DataLossError(absl::StrCat("an identity's record is damaged: ", error.what()));
    }
  }
  if (!id.namespace_name() || !id.service_account()) return std::vector<std::string>();
  return std::vector<std::string>{std::string(*id.namespace_name()) + "/" +
                                  std::string(*id.service_account())};
}

absl::StatusOr<bool> JoinTokens::HasJoined(const certs::SpiffeId& id) const {
  if (services_.contains(id.ToString())) return true;
  const auto record = store_->Get(Collection::kIdentity, id.ToString());
  if (!record.ok()) return record.status();
  return record->has_value();
}

absl::StatusOr<std::vector<TokenRecord>> JoinTokens::List(int64_t now) {
  const auto records = store_->List(Collection::kJoinToken);
  if (!records.ok()) return records.status();
  std::vector<TokenRecord> tokens;
  for (const store::Record& record : *records) {
    auto grant = GrantFromJson(record.value);
    if (!grant.ok() || grant->expires_at <= now) continue;
    tokens.push_back({record.key.substr(0, kIdBytes), *std::move(grant), record.created_at});
  }
  return tokens;
}

absl::StatusOr<TokenRecord> JoinTokens::Revoke(std::string_view id, std::string_view author,
                                               int64_t now) {
  if (id.size() < kIdBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid token ID \"", std::string(id), "\": see `tullectl token list`"));
  }
  const auto records = store_->List(Collection::kJoinToken);
  if (!records.ok()) return records.status();
  for (const store::Record& record : *records) {
    auto grant = GrantFromJson(record.value);
    if (!grant.ok() || !record.key.starts_with(id)) continue;
    store::Transaction transaction(std::string(author), now);
    transaction.Delete(Collection::kJoinToken, record.key);
    const auto revision = store_->Commit(transaction);
    if (!revision.ok()) return revision.status();
    return TokenRecord{record.key.substr(0, kIdBytes), *std::move(grant), record.created_at};
  }
  return absl::NotFoundError(
      absl::StrCat("token ", std::string(id), " not found: see `tullectl token list`"));
}

absl::StatusOr<size_t> JoinTokens::RevokeAll(const certs::SpiffeId& id, std::string_view author,
                                             int64_t now) {
  const auto records = store_->List(Collection::kJoinToken);
  if (!records.ok()) return records.status();
  store::Transaction transaction(std::string(author), now);
  for (const store::Record& record : *records) {
    const auto grant = GrantFromJson(record.value);
    if (!grant.ok() || grant->id != id || grant->expires_at <= now) continue;
    transaction.Delete(Collection::kJoinToken, record.key);
  }
  const size_t count = transaction.changes().size();
  if (count == 0) return count;
  const auto revision = store_->Commit(transaction);
  if (!revision.ok()) return revision.status();
  return count;
}

absl::StatusOr<int64_t> JoinTokens::LatestExpiry() {
  const auto records = store_->List(Collection::kJoinToken);
  if (!records.ok()) return records.status();
  int64_t latest = 0;
  for (const store::Record& record : *records) {
    const auto grant = GrantFromJson(record.value);
    if (grant.ok()) latest = std::max(latest, grant->expires_at);
  }
  return latest;
}

absl::Status JoinTokens::DeleteExpired(int64_t now) {
  const auto records = store_->List(Collection::kJoinToken);
  if (!records.ok()) return records.status();
  store::Transaction transaction("tulle-control", now);
  for (const store::Record& record : *records) {
    const auto grant = GrantFromJson(record.value);
    if (!grant.ok() || grant->expires_at + kKeptSeconds <= now)
      transaction.Delete(Collection::kJoinToken, record.key);
  }
  if (transaction.changes().empty()) return absl::OkStatus();
  return store_->Commit(transaction).status();
}

}  // namespace tulle::ca
