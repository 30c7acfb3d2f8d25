#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "control-plane/cli/https_client.h"
#include "control-plane/cli/tullectl.h"

namespace {

size_t WidthOfTerminal() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

int main(int argc, char** argv) {
  using tulle::cli::Environment;
  signal(SIGPIPE, SIG_IGN);
  Environment environment{.in = std::cin, .out = std::cout, .err = std::cerr};
  environment.has_colour =
      isatty(STDOUT_FILENO) == 1 && isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == nullptr;
  environment.width = WidthOfTerminal();
  for (const char* name : {"HOME", "XDG_CONFIG_HOME", "TULLECTL_CONFIG"}) {
    if (const char* value = getenv(name)) environment.variables[name] = value;
  }
  environment.now = [] {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  environment.pause = [](int64_t seconds) {
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
  };
  environment.connect = tulle::cli::NewHttpsClient;
  return tulle::cli::RunTullectl({argv + 1, argv + argc}, environment);
}
