// DATA-DIR/admin.json: all that tullectl needs of a new control plane, for the owner's eyes alone:
// {"server": "https://HOST:PORT", "ca": "PEM", "credential": "..."}. The credential is that of
// DATA-DIR/admin-credential. Written at each start and whenever the roots change. Thread: any.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "net/base/socket_address.h"

namespace tulle::server {

// Does nothing once the admin's credential was taken away from the folder.
absl::Status WriteAdminFile(const std::string& data_dir, const SocketAddress& api,
                            const std::string& roots_pem);

}  // namespace tulle::server
