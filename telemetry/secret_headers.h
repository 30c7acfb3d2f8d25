// Headers whose values must not be shown to whoever watches requests. Pure; any thread.
#pragma once

#include <string_view>

namespace tulle::telemetry {

// By its name, in any case: authorization, cookie, set-cookie, x-api-key, and names that contain
// auth, cookie, credential, key, passw, secret, session, signature or token.
bool IsSecretHeader(std::string_view name);

}  // namespace tulle::telemetry
