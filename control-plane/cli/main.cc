#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "control-plane/cli/https_client.h"
#include "control-plane/cli/kubernetes_https.h"
#include "control-plane/cli/page_door.h"
#include "control-plane/cli/standard_output.h"
#include "control-plane/cli/tullectl.h"

namespace {

constexpr const char* kVariables[] = {
    "HOME",       "XDG_CONFIG_HOME",         "TULLECTL_CONFIG",
    "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
    "DISPLAY",    "WAYLAND_DISPLAY"};

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
  for (const char* name : kVariables) {
    if (const char* value = getenv(name)) environment.variables[name] = value;
  }
  environment.now = [] {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  };
  environment.pause = [](std::chrono::milliseconds time) {
    tulle::cli::EndIfUnwritable(std::cout);
    std::this_thread::sleep_for(time);
  };
  environment.connect = tulle::cli::NewHttpsClient;
  environment.enter = tulle::cli::NewKubernetesHttps;
  environment.serve_page = tulle::cli::ServePage;
  const int code = tulle::cli::RunTullectl({argv + 1, argv + argc}, environment);
  tulle::cli::EndIfUnwritable(std::cout);
  return code;
}
