#include "control-plane/cli/standard_output.h"

#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

namespace tulle::cli {
namespace {

bool HasReaderGone() {
  pollfd output{.fd = STDOUT_FILENO, .events = POLLOUT, .revents = 0};
  return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

}  // namespace

void EndIfUnwritable(std::ostream& out) {
  if (out.flush()) return;
  if (HasReaderGone()) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  std::cerr << "error: cannot write to standard output; is the disk full?\n";
  std::_Exit(EXIT_FAILURE);
}

}  // namespace tulle::cli
