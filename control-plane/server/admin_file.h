// DATA-DIR/admin.json: all that tullectl needs of a new control plane, for the owner's eyes alone:
// {"server": "https://HOST:PORT", "ca": "PEM", "credential": "..."}. The credential is that of
// DATA-DIR/admin-credential. Written at each start and whenever the roots change. Thread: any.
#ifndef TULLE_CONTROL_PLANE_SERVER_ADMIN_FILE_H_
#define TULLE_CONTROL_PLANE_SERVER_ADMIN_FILE_H_

#include <absl/status/status.h>

#include <string>

#include "net/base/socket_address.h"

namespace tulle::server {

// Does nothing once the admin's credential was taken away from the folder.
absl::Status WriteAdminFile(const std::string& data_dir, const SocketAddress& api,
                            const std::string& roots_pem);

}  // namespace tulle::server

#endif  // TULLE_CONTROL_PLANE_SERVER_ADMIN_FILE_H_
