// The composition root of the data plane: the only place that knows everything.

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <fstream>

#include "net/base/out_of_memory.h"
#include "net/loop/uv/uv_loop.h"
#include "sidecar/process/command_line.h"
#include "sidecar/process/leave.h"
#include "sidecar/process/process.h"
#include "sidecar/recorder/recorded_files.h"

namespace {

using namespace tulle::sidecar;

// Exit code.
int Leave(const std::string& admin) {
  // Checked by ParseCommandLine.
  const absl::Status left = AskToLeave(*tulle::SocketAddress::ParseWithPort(admin));
  if (left.ok()) return 0;
  std::fprintf(stderr, "tulle-sidecar: %s\n", std::string(left.message()).c_str());
  return 1;
}

// Exit code.
int PrintRecorder(const std::string& directory) {
  const absl::StatusOr<std::string> lines = tulle::recorder::RecordsOf(directory);
  if (lines.ok()) {
    std::fputs(lines->c_str(), stdout);
    return 0;
  }
  std::fprintf(stderr, "tulle-sidecar: %s\n", std::string(lines.status().message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Parsed parsed = ParseCommandLine(argc, argv);
  if (!parsed.command_line) return parsed.exit_code;
  if (parsed.command_line->leave) return Leave(parsed.command_line->admin);
  if (!parsed.command_line->print_recorder.empty())
    return PrintRecorder(parsed.command_line->print_recorder);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  // A core dump would hold private keys.
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  // The limit alone does not keep a core from a program that the system pipes it to: no memory
  // then.
  std::ofstream("/proc/self/coredump_filter") << "0";
  tulle::ExitOnFailedNew();
  tulle::loop::ExitOnFailedUvAllocation();

  const std::unique_ptr<tulle::loop::Loop> loop = tulle::loop::NewUvLoop();
  Process process(*loop, *std::move(parsed.command_line));
  return process.Run();
}
