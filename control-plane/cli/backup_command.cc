#include <filesystem>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/trouble.h"

namespace tulle::cli {

namespace fs = std::filesystem;

absl::StatusOr<int> Backup(Session& session) {
  const std::string& path = session.invocation.name;
  if (fs::exists(path) && !session.invocation.force) {
    return Trouble(path + " is there already", "name another file, or replace it with --force");
  }
  const auto reply = session.Post("/v1/backup", Json::object());
  if (!reply.ok()) return reply.status();
  const absl::Status written = WritePrivateFile(path, reply->dump() + "\n");
  if (!written.ok()) return written;
  session.out() << path << ": " << fs::file_size(path) / 1024 << " KiB of "
                << TextAt(*reply, "/trustDomain") << "\n";
  session.err() << "It holds the private keys of the mesh's roots: only you may read it (0600); "
                   "keep it so.\n";
  return 0;
}

}  // namespace tulle::cli
