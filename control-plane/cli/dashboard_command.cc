#include <cstdlib>

#include "control-plane/cli/child_process.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

// Where there is a screen, and a program that knows the browser. The link goes on if there is none.
bool OpenBrowser(Session& session, const std::string& link) {
  const auto& variables = session.environment.variables;
  const bool has_screen = variables.contains("DISPLAY") || variables.contains("WAYLAND_DISPLAY");
  if (session.invocation.no_open || !has_screen) return false;
  ProgramToStart browser;
  browser.argv = {"xdg-open", link};
  return StartProgram(browser).ok();
}

void Tell(Session& session, const std::string& link) {
  const bool is_open = OpenBrowser(session, link);
  session.out() << (is_open ? "Opening the dashboard in a browser: "
                            : "Open the dashboard in a browser on this host: ")
                << link << "\nThe link works once, within a minute. Press Ctrl-C to end."
                << std::endl;
}

}  // namespace

absl::StatusOr<int> ShowDashboard(Session& session) {
  // Says what is wrong with the destination or the credential, before a browser does.
  const auto allowed = session.Get("/v1/traffic", {{"window", "1"}});
  if (!allowed.ok()) return allowed.status();
  const auto page = session.Forward({.method = "GET", .path = "/dashboard/"});
  if (!page.ok()) return page.status();
  if (page->status != 200) {
    return UserError("this tulle-control has no dashboard: it is an older version",
                     "see `tullectl version`, and upgrade tulle-control");
  }
  return session.environment.serve_page(
      {.port = session.invocation.page_port,
       .forward = [&session](const ApiCall& call) { return session.Forward(call); },
       .on_ready = [&session](const std::string& link) { Tell(session, link); }});
}

}  // namespace tulle::cli
