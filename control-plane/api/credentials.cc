#include "control-plane/api/credentials.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "control-plane/ca/join_token.h"
#include "net/base/private_file.h"

namespace tulle::api {
namespace {

using Json = nlohmann::json;
using store::Collection;

constexpr std::string_view kBearer = "Bearer ";

absl::Status WriteSecret(const std::string& path, const std::string& text) {
  const int error = WritePrivateFile(path, text);
  if (error == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("cannot write ", path, ": ", strerror(error),
                                                  "; check owner and mode of its folder"));
}

std::optional<Principal> PrincipalFromJson(const std::string& text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  return Principal{json.value("name", ""),
                   json.value("role", "") == "admin" ? Role::kAdmin : Role::kReader};
}

}  // namespace

absl::Status Credentials::Store(const Principal& principal, const std::string& secret,
                                std::string_view author, int64_t now) {
  const auto records = store_->List(Collection::kCredential);
  if (!records.ok()) return records.status();
  store::Transaction transaction{std::string(author), now};
  for (const store::Record& record : *records) {
    const auto other = PrincipalFromJson(record.value);
    if (other && other->name == principal.name) {
      transaction.Delete(Collection::kCredential, record.key);
    }
  }
  transaction.Put(Collection::kCredential, ca::HashOfSecret(secret),
                  Json({{"name", principal.name},
                        {"role", principal.role == Role::kAdmin ? "admin" : "reader"},
                        {"createdAt", now}})
                      .dump());
  return store_->Commit(transaction).status();
}

absl::StatusOr<std::string> Credentials::Create(const Principal& principal, std::string_view author,
                                                int64_t now) {
  if (principal.name.empty() || principal.name.size() > 100) {
    return absl::InvalidArgumentError("invalid name of a credential: use 1 to 100 bytes");
  }
  const std::string secret = ca::NewSecret(keys_);
  const absl::Status status = Store(principal, secret, author, now);
  if (!status.ok()) return status;
  return secret;
}

absl::StatusOr<std::vector<CredentialRecord>> Credentials::List() {
  const auto records = store_->List(Collection::kCredential);
  if (!records.ok()) return records.status();
  std::vector<CredentialRecord> found;
  for (const store::Record& record : *records) {
    const auto principal = PrincipalFromJson(record.value);
    if (principal) found.push_back({*principal, record.created_at});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.principal.name < b.principal.name; });
  return found;
}

absl::Status Credentials::Delete(std::string_view name, std::string_view author, int64_t now) {
  const auto records = store_->List(Collection::kCredential);
  if (!records.ok()) return records.status();
  store::Transaction transaction{std::string(author), now};
  for (const store::Record& record : *records) {
    const auto principal = PrincipalFromJson(record.value);
    if (principal && principal->name == name)
      transaction.Delete(Collection::kCredential, record.key);
  }
  if (transaction.changes().empty()) {
    return absl::NotFoundError(absl::StrCat("credential ", std::string(name),
                                            " not found: see `tullectl credential list`"));
  }
  return store_->Commit(transaction).status();
}

absl::StatusOr<std::optional<Principal>> Credentials::Authenticate(std::string_view authorization) {
  if (!authorization.starts_with(kBearer) || authorization.size() > 512) {
    return std::optional<Principal>();
  }
  const std::string hash = ca::HashOfSecret(authorization.substr(kBearer.size()));
  const auto records = store_->List(Collection::kCredential);
  if (!records.ok()) return records.status();
  std::optional<Principal> found;
  for (const store::Record& record : *records) {  // all of them, so that the time reveals nothing
    if (ca::EqualInConstantTime(record.key, hash)) found = PrincipalFromJson(record.value);
  }
  return found;
}

absl::Status Credentials::EnsureFirstAdmin(const std::string& path, int64_t now) {
  const auto records = store_->List(Collection::kCredential);
  if (!records.ok()) return records.status();
  return records->empty() ? ResetAdmin(path, now) : absl::OkStatus();
}

absl::Status Credentials::ResetAdmin(const std::string& path, int64_t now) {
  const std::string secret = ca::NewSecret(keys_);
  const absl::Status written = WriteSecret(path, secret + "\n");
  if (!written.ok()) return written;
  return Store({"admin", Role::kAdmin}, secret, "tulle-control", now);
}

}  // namespace tulle::api
