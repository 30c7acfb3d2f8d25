#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/hosts_file.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

absl::Status ChangeFile(Session& session, const std::string& path, const std::string& block,
                        size_t services) {
  const auto before = ReadFile(path);
  if (!before.ok()) return before.status();
  const auto after = ReplaceHosts(*before, block);
  if (!after.ok()) return after.status();
  if (*after == *before) {
    session.out() << path << ": unchanged\n";
    return absl::OkStatus();
  }
  const absl::Status written = RewriteFile(path, *after);
  if (!written.ok()) return written;
  if (block.empty()) {
    session.out() << path << ": services removed\n";
  } else {
    session.out() << path << ": " << services << (services == 1 ? " service" : " services") << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Hosts(Session& session) {
  const Invocation& wanted = session.invocation;
  if (!wanted.remove_from.empty()) {
    const absl::Status status = ChangeFile(session, wanted.remove_from, "", 0);
    if (!status.ok()) return status;
    return 0;
  }
  const auto reply = session.Get("/v1/hosts", {{"namespace", session.Namespace()}});
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, wanted.format, session.out());
    return 0;
  }
  std::vector<HostsLine> lines;
  for (const Json& item : PartAt(*reply, "/items")) {
    HostsLine line{TextAt(item, "/address"), {}};
    for (const Json& name : PartAt(item, "/names")) line.names.push_back(TextAt(name, ""));
    lines.push_back(std::move(line));
  }
  if (lines.empty()) {
    session.err() << "No services found. Start a sidecar, or see `tullectl services -A`.\n";
  }
  if (wanted.write_to.empty()) {
    session.out() << HostsBlock(lines);
    return 0;
  }
  const absl::Status status = ChangeFile(session, wanted.write_to, HostsBlock(lines), lines.size());
  if (!status.ok()) return status;
  return 0;
}

}  // namespace tulle::cli
