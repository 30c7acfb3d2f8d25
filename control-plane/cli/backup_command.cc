#include <filesystem>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {

namespace fs = std::filesystem;

absl::StatusOr<int> Backup(Session& session) {
  absl::Status direct = session.RequireDirect(
      "backup",
      "back up the roots with `kubectl -n tulle-system get secret tulle-ca -o yaml > FILE` (keep "
      "the FILE like the key of a certificate authority) and the policies with `kubectl get tulle "
      "-A -o yaml`, or in Git");
  if (!direct.ok()) return direct;
  const std::string& path = session.invocation.name;
  if (fs::exists(path) && !session.invocation.force) {
    return UserError(path + " already exists", "use another file, or replace it with --force");
  }
  const auto reply = session.Post("/v1/backup", Json::object());
  if (!reply.ok()) return reply.status();
  const absl::Status written = WritePrivateFile(path, reply->dump() + "\n");
  if (!written.ok()) return written;
  session.out() << path << ": " << fs::file_size(path) / 1024 << " KiB of "
                << TextAt(*reply, "/trustDomain") << "\n";
  session.err()
      << "The file contains the private keys of the mesh's roots. Only you can read it (mode "
         "0600); keep it that way.\n";
  return 0;
}

}  // namespace tulle::cli
