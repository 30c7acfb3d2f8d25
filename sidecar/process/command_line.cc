#include "sidecar/process/command_line.h"

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "net/base/socket_address.h"
#include "sidecar/policy/rule.h"
#include "sidecar/process/control_name.h"
#include "telemetry/log.h"
#include "telemetry/version.h"

namespace tulle::sidecar {
namespace {

constexpr int kUsage = 2;  // exit code

constexpr char kExamples[] = R"(
Examples:
  # A static Envoy configuration
  tulle-sidecar -c bootstrap.json

  # Sidecar of `web`, which listens on 127.0.0.1:8080 and calls others through http://127.0.0.1:15001
  tulle-sidecar --control 127.0.0.1:15012 --token-file web.token --state-dir /var/lib/tulle/web \
      --service web --inbound 18080:8080:80/http --outbound-http 15001

  # Sidecar of an unchanged workload, whose traffic is redirected by tulle-init
  tulle-sidecar --control 10.0.0.1:15012 --token-file web.token --state-dir /var/lib/tulle/web \
      --service web --transparent --port 8080:80

Exit codes: 0 success, 1 error, 2 invalid usage, 70 a worker thread was unresponsive (--stall-limit).
)";

// Instead of CLI::Range, whose text names neither the flag's value nor what it is.
CLI::Validator Number(const char* what, int64_t least, int64_t most) {
  const auto check = [=](const std::string& text) -> std::string {
    int64_t value = 0;
    if (absl::SimpleAtoi(text, &value) && value >= least && value <= most) return "";
    return absl::StrCat("invalid ", what, " \"", text, "\"; must be between ", least, " and ",
                        most);
  };
  return {check, absl::StrCat("in [", least, " - ", most, "]")};
}

CLI::Validator Port(int64_t least = 1) { return Number("port", least, 65535); }

void AddTransparentOptions(CLI::App& app, Workload& workload) {
  auto* transparent =
      app.add_flag("--transparent", workload.transparent,
                   "Serve the workload's redirected traffic (tulle-init) instead of explicit "
                   "listeners");
  app.add_option(
         "--port", workload.ports,
         "APPLICATION[:SERVICE][/PROTOCOL], repeated for each port on which the application "
         "listens; without PROTOCOL it is detected from the first bytes")
      ->needs(transparent);
  app.add_option("--outbound-port", workload.outbound_capture,
                 "Port for redirected outbound connections (15001)")
      ->check(Port())
      ->needs(transparent);
  app.add_option("--inbound-port", workload.inbound_capture,
                 "Port for redirected inbound connections (15006)")
      ->check(Port())
      ->needs(transparent);
  app.add_option("--opaque-ports", workload.opaque_ports,
                 "Ports of the application that are forwarded as bytes, without detecting HTTP")
      ->delimiter(',')
      ->check(Port());
  app.add_option("--skip-inbound-ports", workload.skip_ports,
                 "Ports of the application that peers reach in plaintext, bypassing the sidecar")
      ->delimiter(',')
      ->check(Port());
  transparent->excludes(app.get_option("--inbound"));
}

void AddWorkloadOptions(CLI::App& app, Workload& workload) {
  app.add_option("--name", workload.name,
                 "Name of this instance in `tullectl status`; a number is appended (default: "
                 "the service)");
  app.add_option("--service", workload.service,
                 "Service of this workload (default: the token's account)");
  app.add_option("--address", workload.address,
                 "Address that peers connect to (default: the source address of the connection to "
                 "tulle-control)");
  app.add_option("--locality", workload.locality,
                 "REGION[/ZONE[/SUBZONE]] of this workload, for locality policies");
  app.add_option(
      "--inbound", workload.inbound,
      "LISTEN:APPLICATION[:SERVICE]/PROTOCOL, repeated for each port: the sidecar's port, the "
      "application's on loopback, the service's (default: LISTEN); PROTOCOL is http, grpc, http2 "
      "or tcp");
  app.add_option("--outbound-http", workload.outbound_http,
                 "Loopback port of the listener that routes HTTP by authority (0: none)")
      ->check(Port(0));
  app.add_option("--outbound-tcp", workload.outbound_tcp,
                 "SERVICE:PORT=LISTEN, repeated for each TCP destination");
  AddTransparentOptions(app, workload);
}

// What the membership in a mesh needs, and what is passed on to the control plane.
absl::Status CheckMember(const CommandLine& line) {
  if (line.state_directory.empty()) {
    return absl::InvalidArgumentError(
        "--state-dir is required with --control: it stores the key and the certificate");
  }
  if (auto control = ParseControl(line.control); !control.ok()) return control.status();
  if (!SocketAddress::ParseWithPort(line.admin)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--admin ", line.admin, ": expected ADDRESS:PORT"));
  }
  for (const std::string& range : line.mesh_ranges) {
    if (policy::ParseCidr(range)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--mesh-range ", range, ": expected a CIDR, such as 240.240.0.0/16"));
  }
  return MakeRegistration(line.workload, "").status();
}

absl::Status Check(CommandLine& line, const std::string& log_level) {
  if (line.config_file.empty() == line.control.empty())
    return absl::InvalidArgumentError("--config FILE or --control HOST:PORT is required");
  const auto level = telemetry::ParseLogLevel(log_level);
  if (!level) {
    return absl::InvalidArgumentError(absl::StrCat(
        "invalid --log-level ", log_level, ": must be trace, debug, info, warning, error or off"));
  }
  line.log_level = *level;
  return line.control.empty() ? absl::OkStatus() : CheckMember(line);
}

}  // namespace

Parsed ParseCommandLine(int argc, char** argv) {
  CommandLine line;
  std::string log_level = "info";
  CLI::App app("The sidecar of the Tulle service mesh", "tulle-sidecar");
  app.footer(kExamples);
  app.set_version_flag("--version", telemetry::kVersion);
  auto* config =
      app.add_option("-c,--config", line.config_file, "An Envoy v3 bootstrap, YAML or JSON")
          ->check(CLI::ExistingFile);
  auto* control = app.add_option("--control", line.control,
                                 "HOST:PORT of tulle-control; a host name is resolved repeatedly");
  config->excludes(control);
  app.add_option("--token-file", line.token_file,
                 "File with the join token (tullectl token create)")
      ->needs(control);
  app.add_option("--state-dir", line.state_directory,
                 "Directory for key, certificate and last good configuration")
      ->needs(control);
  app.add_option("--mesh-range", line.mesh_ranges,
                 "CIDR that contains only addresses of services of the mesh, repeated for each "
                 "(with --transparent; default: 240.240.0.0/16)");
  app.add_option("--dns-servers", line.dns_servers,
                 "ADDRESS[:PORT], comma-separated: DNS servers to use instead of the system's, for "
                 "clusters with host names and for --control");
  app.add_option("--workers", line.workers, "Number of worker threads")
      ->check(Number("number", 1, 64));
  app.add_option("--admin", line.admin, "ADDRESS:PORT of the admin pages (with --control)");
  app.add_option("--log-level", log_level, "trace, debug, info, warning, error or off");
  app.add_flag("--log-json", line.log_json, "Log as JSON, one object per line");
  app.add_option("--drain-time", line.drain_seconds, "Seconds for requests to finish after SIGTERM")
      ->check(Number("number", 0, 3600));
  app.add_option("--drain-quiet-ms", line.drain_quiet_ms,
                 "After SIGTERM, listeners close when no client has connected for this long")
      ->check(Number("number", 0, 60000));
  app.add_option("--stall-limit", line.stall_limit_seconds,
                 "Exit when a worker thread has not responded for this many seconds (0: never)")
      ->check(Number("number", 0, 3600));
  AddWorkloadOptions(app, line.workload);
  try {
    app.parse(argc, argv);
    if (absl::Status checked = Check(line, log_level); !checked.ok())
      throw CLI::ValidationError(std::string(checked.message()));
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? 0 : kUsage};
  }
  return {line, 0};
}

}  // namespace tulle::sidecar
