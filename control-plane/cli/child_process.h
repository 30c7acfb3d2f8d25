// A child process, for tullectl run. Blocking calls; signals are read from a descriptor, so that
// nothing happens in a handler. Thread: the only one.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tulle::cli {

struct ProgramToStart {
  std::vector<std::string> argv;  // argv[0] is looked for in PATH
  std::map<std::string, std::string> variables;
  // Not reached by the terminal's Ctrl-C, and ended when we are.
  bool is_ours = false;
};

// The process id, or a UserError.
absl::StatusOr<pid_t> StartProgram(const ProgramToStart& program);
// 0 to 255, for a signal 128 and its number.
int ExitCodeOf(int wait_status);
// A free IPv4 port of loopback.
uint16_t FreePort();
// Whether no program listens on that port, on any IPv4 address.
bool IsPortFree(uint16_t port);
// The status of GET `path` at that port; 0: no response.
int HttpStatus(uint16_t port, const std::string& path);
// The folder of this program.
std::string OwnFolder();

// SIGCHLD and the signals of users and service managers; blocked during the life of this object.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;

  struct Received {
    int number = 0;
    bool is_of_terminal = false;  // the program had it too
  };
  std::optional<Received> Next(std::chrono::milliseconds within);

 private:
  int descriptor_ = -1;
};

}  // namespace tulle::cli
