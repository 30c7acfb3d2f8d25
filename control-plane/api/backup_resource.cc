#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "control-plane/api/answers.h"
#include "control-plane/api/change_events.h"
#include "control-plane/api/mesh_resources.h"

namespace tulle::api {

Routes BackupResource::routes() {
  return {
      {"POST", "/v1/backup", Access::kAdminCredential,
       "Copy everything that is stored, including the private keys of the roots",
       By(this, &BackupResource::Create)},
  };
}

ApiResponse BackupResource::Create(const Call& call) {
  Json json;
  ApiResponse refusal;
  if (!ReadObject(call.request, {}, &json, &refusal)) return refusal;
  if (store_ == nullptr) return Refuse(503, "backups are not available", "");
  const auto image = store_->Image();
  if (!image.ok()) return Refuse(image.status());
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(image->data()), image->size(), digest);
  ApiResponse response =
      Answer({{"kind", "TulleBackup"},
              {"createdAt", call.now},
              {"version", version_},
              {"trustDomain", authority_->trust_domain()},
              {"sha256", absl::BytesToHexString(absl::string_view(
                             reinterpret_cast<const char*>(digest), sizeof(digest)))},
              {"store", absl::Base64Escape(*image)}});
  response.event =
      call.caller.name + " created a backup, which includes the private keys of the roots";
  response.happened = {EventBy(call, "BackupCreated", {"Store"}, "created a backup")};
  return response;
}

}  // namespace tulle::api
