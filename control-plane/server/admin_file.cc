#include "control-plane/server/admin_file.h"

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "net/base/private_file.h"

namespace tulle::server {

absl::Status WriteAdminFile(const std::string& data_dir, const SocketAddress& api,
                            const std::string& roots_pem) {
  std::string credential;
  std::ifstream(data_dir + "/admin-credential") >> credential;
  if (credential.empty()) return absl::OkStatus();
  const bool is_wildcard = api.host() == "0.0.0.0" || api.host() == "::";
  const SocketAddress server = is_wildcard ? SocketAddress::Loopback4(api.port()) : api;
  const std::string text = nlohmann::json({{"server", "https://" + server.ToString()},
                                           {"ca", roots_pem},
                                           {"credential", credential}})
                               .dump(2) +
                           "\n";
  const std::string path = data_dir + "/admin.json";
  const int error = WritePrivateFile(path, text);
  if (error == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(path, " cannot be written: ", strerror(error),
                                                  "; check owner and mode of its folder"));
}

}  // namespace tulle::server
