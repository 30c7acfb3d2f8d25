// The composition root of the data plane: the only place that knows everything.

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <fstream>

#include "net/base/out_of_memory.h"
#include "net/loop/uv/uv_loop.h"
#include "sidecar/process/command_line.h"
#include "sidecar/process/process.h"

int main(int argc, char** argv) {
  using namespace tulle::sidecar;
  Parsed parsed = ParseCommandLine(argc, argv);
  if (!parsed.command_line) return parsed.exit_code;
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
