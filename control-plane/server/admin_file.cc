#include "control-plane/server/admin_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

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
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());
  const int file = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool is_written =
      file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) close(file);
  if (is_written && rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat(path, " cannot be written: ", strerror(errno),
                                                  "; check owner and mode of its folder"));
}

}  // namespace tulle::server
