// Imitates many sidecars against a tulle-control of this build, and measures what they cost it: see
// docs/performance.md. Prints a table, or JSON; exit code 1: a check failed.

#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "tests/scale/control_process.h"
#include "tests/scale/measurement.h"

namespace tulle::scale {
namespace {

// One connection for each sidecar, on either side; those that join have one more.
constexpr size_t kDescriptorsEach = 1;
constexpr size_t kDescriptorsMore = 2000;

struct Flags {
  MeasurementOptions measurement;
  bool json = false;
  bool check = false;
  bool keep = false;
};

void Describe(CLI::App& app, Flags& flags) {
  PopulationOptions& population = flags.measurement.population;
  app.option_defaults()->always_capture_default();
  app.add_option("--proxies", population.proxies, "Sidecars")->check(CLI::Range(1, 100000));
  app.add_option("--services", population.services, "Services that they belong to")
      ->check(CLI::Range(1, 100000));
  app.add_option("--uses", population.uses, "Services that each sidecar calls");
  app.add_option("--popular", population.popular_percent,
                 "Percent of the sidecars that call the service that changes");
  app.add_flag("--all-clusters", population.all_clusters,
               "Sidecars subscribe to all clusters, as they did before 0.1.0");
  app.add_option("--requests", population.requests,
                 "Requests per second that each sidecar reports, sent and received; 0: no reports");
  app.add_option("--watch", flags.measurement.watch_seconds,
                 "Seconds of reading what the dashboard reads; 0: none");
  app.add_option("--control", flags.measurement.control, "The tulle-control to start")
      ->check(CLI::ExistingFile);
  app.add_option("--directory", flags.measurement.directory,
                 "For stores and identities; emptied first");
  app.add_option("--idle", flags.measurement.idle_seconds, "Seconds of heartbeats alone");
  app.add_option("--storm", flags.measurement.storm_seconds,
                 "Seconds with 10 endpoint changes each; 0: none");
  app.add_option("--patience", flags.measurement.patience_seconds,
                 "Seconds that a change may take to settle");
  app.add_flag("!--no-pin", flags.measurement.pin, "The control plane shares its core");
  app.add_flag("--json", flags.json, "JSON instead of a table");
  app.add_flag("--check", flags.check, "Fail where a count or CPU time is over its bar");
  app.add_flag("--keep", flags.keep, "Leave the directory behind");
}

// Beside this program in the output tree.
std::string DefaultControl(const char* program) {
  return (std::filesystem::path(program).parent_path() / "../../control-plane/tulle-control")
      .lexically_normal()
      .string();
}

int Run(const Flags& flags) {
  const auto proxies = static_cast<size_t>(flags.measurement.population.proxies);
  const size_t wanted = kDescriptorsEach * proxies + kDescriptorsMore;
  if (RaiseDescriptorLimit(wanted) < wanted) {
    std::fprintf(stderr, "scale: %zu sidecars require %zu file descriptors; see ulimit -n\n",
                 proxies, wanted);
    return 1;
  }
  if (flags.measurement.pin) LeaveFirstCore();
  std::error_code ignored;
  std::filesystem::remove_all(flags.measurement.directory, ignored);
  mkdir(flags.measurement.directory.c_str(), 0700);
  std::string output;
  bool failed = false;
  {
    Measurement measurement(flags.measurement);
    failed = !measurement.Run().ok();
    const Report& report = measurement.report();
    failed = failed || (flags.check && !report.Failures().empty());
    output = flags.json ? report.Json() : report.Table();
  }
  std::fputs(output.c_str(), stdout);
  if (!flags.keep) std::filesystem::remove_all(flags.measurement.directory, ignored);
  return failed ? 1 : 0;
}

int Main(int argc, char** argv) {
  Flags flags;
  flags.measurement.control = DefaultControl(argv[0]);
  flags.measurement.directory = "/dev/shm/tulle-scale-" + std::to_string(getpid());
  CLI::App app("Measures what many sidecars cost tulle-control", "scale");
  Describe(app, flags);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  return Run(flags);
}

}  // namespace
}  // namespace tulle::scale

int main(int argc, char** argv) { return tulle::scale::Main(argc, argv); }
