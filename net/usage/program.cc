#include "net/usage/program.h"

#include <cstdio>
#include <memory>
#include <string>

#include "net/usage/help_page.h"
#include "net/usage/usage_error.h"
#include "telemetry/version.h"

namespace tulle::usage {

void Describe(CLI::App& app, const char* name) {
  app.name(name);
  app.formatter(std::make_shared<HelpPage>());
  app.option_defaults()->always_capture_default();
  app.set_help_flag("-h,--help", "show this help");
  app.set_version_flag("--version", std::string(name) + " " + telemetry::kVersion,
                       "show the version");
}

std::optional<int> Parse(CLI::App& app, int argc, char** argv, int code_for_invalid_usage,
                         const std::function<absl::Status()>& check) {
  UsageError wrong;
  const std::string see = "see `" + app.get_name() + " --help`";
  try {
    app.parse(argc, argv);
    const absl::Status status = check();
    if (status.ok()) return std::nullopt;
    wrong = {std::string(status.message()), see};
  } catch (const CLI::Success& asked) {
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    wrong = Explain(app, app.remaining(), error, see);
  }
  std::fprintf(stderr, "error: %s\nhint: %s\n", wrong.error.c_str(), wrong.hint.c_str());
  return code_for_invalid_usage;
}

}  // namespace tulle::usage
