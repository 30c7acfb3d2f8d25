// Tokens of Kubernetes service accounts, which callers of the REST API send in the header
// `x-tulle-token` when they come through the API server's proxy: it removes `Authorization`.
// Implemented by the server, which asks the API server whose token it is; faked in tests.
// Thread: the loop's.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "control-plane/api/credentials.h"

namespace tulle::api {

inline constexpr char kAccountTokenHeader[] = "x-tulle-token";

class AccountTokens {
 public:
  virtual ~AccountTokens() = default;
  // What is known of this token now; absent: Ask(). Errors: kUnauthenticated, kPermissionDenied (a
  // valid token of an account without rights), kUnavailable (ask again later).
  virtual std::optional<absl::StatusOr<Principal>> Find(std::string_view token) = 0;
  // `source`: the address that sent it. `done` runs once, perhaps at once, when Find() knows the
  // answer; never after this is destroyed.
  virtual void Ask(const std::string& source, std::string_view token,
                   std::function<void()> done) = 0;
};

}  // namespace tulle::api
