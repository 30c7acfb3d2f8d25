#include "sidecar/process/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iterator>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "certs/workload_labels.h"
#include "net/base/socket_address.h"
#include "net/usage/program.h"
#include "net/usage/usage_error.h"
#include "sidecar/policy/rule.h"
#include "sidecar/process/app_probes.h"
#include "sidecar/process/control_name.h"
#include "telemetry/log.h"

namespace tulle::sidecar {
namespace {

constexpr char kExamples[] = R"(Examples:
  # A static Envoy configuration
  tulle-sidecar -c bootstrap.json
  # Sidecar of `web`, which listens on 127.0.0.1:8080 and calls others through
  # http://127.0.0.1:15001
  tulle-sidecar --control 127.0.0.1:15012 --token-file web.token \
      --state-dir /var/lib/tulle/web --service web \
      --inbound 18080:8080:80/http --outbound-http 15001
  # Sidecar of an unchanged workload, whose traffic is redirected by tulle-init
  tulle-sidecar --control 10.0.0.1:15012 --token-file web.token \
      --state-dir /var/lib/tulle/web --service web --transparent --port 8080:80

  # What it did before a crash
  tulle-sidecar --print-recorder /var/lib/tulle/web
  # In its preStop hook
  tulle-sidecar --leave

Exit codes: 0 stopped by SIGTERM or SIGINT, 1 error, 70 a worker thread was
unresponsive (--stall-limit).)";

void AddTransparentOptions(CLI::App& app, Workload& workload) {
  auto* transparent =
      app.add_flag("--transparent", workload.transparent,
                   "serve the workload's redirected traffic (tulle-init) instead of explicit "
                   "listeners");
  const auto add = [&app](const char* name, auto& value, const char* help, const char* type) {
    return app.add_option(name, value, help)->type_name(type);
  };
  add("--port", workload.ports,
      "port on which the application listens; may be repeated; without /PROTOCOL it is detected "
      "from the first bytes",
      "PORT[:SERVICE][/PROTOCOL]")
      ->needs(transparent);
  add("--outbound-port", workload.outbound_capture, "port for redirected outbound connections",
      "PORT")
      ->check(usage::Port())
      ->needs(transparent);
  add("--inbound-port", workload.inbound_capture, "port for redirected inbound connections", "PORT")
      ->check(usage::Port())
      ->needs(transparent);
  add("--opaque-ports", workload.opaque_ports,
      "ports of the application that are forwarded as bytes, without detecting HTTP", "PORT,...")
      ->delimiter(',')
      ->check(usage::Port());
  add("--skip-inbound-ports", workload.skip_ports,
      "ports of the application that peers reach in plaintext, bypassing the sidecar", "PORT,...")
      ->delimiter(',')
      ->check(usage::Port());
  add("--pod-uid", workload.pod_uid,
      "in Kubernetes: the pod's uid; the control plane reads the pod's address, Services and "
      "health "
      "from the cluster's API instead of a registration",
      "UID")
      ->needs(transparent);
  add("--node-name", workload.node_name,
      "in Kubernetes: the pod's node, whose zone is preferred where policies prefer the own one",
      "NAME")
      ->needs("--pod-uid");
  transparent->excludes(app.get_option("--inbound"));
}

void AddWorkloadOptions(CLI::App& app, Workload& workload) {
  const auto add = [&app](const char* name, auto& value, const char* help, const char* type) {
    return app.add_option(name, value, help)->type_name(type);
  };
  add("--name", workload.name,
      "name of this instance in `tullectl status`; a number is appended [the service]", "NAME");
  add("--service", workload.service, "service of this workload [the token's account]", "NAME");
  add("--address", workload.address,
      "address that peers connect to [the source address of the connection to tulle-control]",
      "ADDRESS");
  add("--locality", workload.locality, "locality of this workload, for locality policies",
      "REGION[/ZONE[/SUBZONE]]");
  add("--inbound", workload.inbound,
      "for each port: the sidecar's port, the application's on loopback, the service's [LISTEN]; "
      "PROTOCOL is http, grpc, http2 or tcp; may be repeated",
      "LISTEN:APPLICATION[:SERVICE]/PROTOCOL");
  add("--outbound-http", workload.outbound_http,
      "loopback port of the listener that routes HTTP by authority; 0: none", "PORT")
      ->check(usage::Port(0));
  add("--outbound-tcp", workload.outbound_tcp, "a TCP destination; may be repeated",
      "SERVICE:PORT=LISTEN");
  AddTransparentOptions(app, workload);
}

absl::Status ReadLabels(CommandLine& line) {
  for (const std::string& text : line.labels) {
    const absl::StatusOr<certs::WorkloadLabels> read = certs::ParseWorkloadLabels(text);
    if (!read.ok() || read->size() != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("--label ", text, ": ",
                       read.ok() ? "expected KEY=VALUE" : std::string(read.status().message())));
    }
    line.workload.labels[read->begin()->first] = read->begin()->second;
  }
  return absl::OkStatus();
}

bool IsDnsServer(const std::string& text) {
  return SocketAddress::Parse(text, 53).has_value() ||
         SocketAddress::ParseWithPort(text).has_value();
}

absl::Status CheckDnsServers(const std::string& text) {
  if (text.empty()) return absl::OkStatus();
  for (const std::string& server : std::vector<std::string>(absl::StrSplit(text, ','))) {
    if (IsDnsServer(server)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--dns-servers ", text, ": expected ADDRESS[:PORT], separated by commas"));
  }
  return absl::OkStatus();
}

absl::Status CheckAdmin(const std::string& admin) {
  if (SocketAddress::ParseWithPort(admin)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--admin ", admin, ": expected ADDRESS:PORT"));
}

// What the membership in a mesh needs, and what is passed on to the control plane.
absl::Status CheckMember(CommandLine& line) {
  if (line.state_directory.empty()) {
    return absl::InvalidArgumentError(
        "--state-dir is required with --control: it stores the key and the certificate");
  }
  if (auto control = ParseControl(line.control); !control.ok()) return control.status();
  if (absl::Status admin = CheckAdmin(line.admin); !admin.ok()) return admin;
  for (const auto& [flag, text] :
       {std::pair("--metrics", &line.metrics), std::pair("--health", &line.health)}) {
    if (text->empty() || SocketAddress::ParseWithPort(*text)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        flag, " ", *text,
        ": expected ADDRESS:PORT, such as 0.0.0.0:", text == &line.metrics ? "15090" : "15021"));
  }
  if (absl::Status probes = CheckAppProbes(line.app_probes); !probes.ok())
    return absl::InvalidArgumentError(absl::StrCat("--app-probes: ", probes.message()));
  for (const std::string& range : line.mesh_ranges) {
    if (policy::ParseCidr(range)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--mesh-range ", range, ": expected a CIDR, such as 240.240.0.0/16"));
  }
  if (const auto metrics = SocketAddress::ParseWithPort(line.metrics))
    line.workload.metrics_port = metrics->port();
  return MakeRegistration(line.workload, "").status();
}

absl::Status Check(CommandLine& line, const std::string& log_level) {
  if (line.leave) return CheckAdmin(line.admin);
  if (!line.print_recorder.empty()) return absl::OkStatus();
  if (line.config_file.empty() == line.control.empty())
    return absl::InvalidArgumentError("--config FILE or --control HOST:PORT is required");
  const auto level = telemetry::ParseLogLevel(log_level);
  if (!level) {
    return absl::InvalidArgumentError(absl::StrCat(
        "invalid --log-level ", log_level, ": must be trace, debug, info, warning, error or off"));
  }
  line.log_level = *level;
  if (absl::Status labels = ReadLabels(line); !labels.ok()) return labels;
  if (absl::Status servers = CheckDnsServers(line.dns_servers); !servers.ok()) return servers;
  return line.control.empty() ? absl::OkStatus() : CheckMember(line);
}

void AddProcessOptions(CLI::App& app, CommandLine& line, std::string& log_level) {
  const auto add = [&app](const char* name, auto& value, const char* help, const char* type) {
    return app.add_option(name, value, help)->type_name(type);
  };
  add("--dns-servers", line.dns_servers,
      "DNS servers to use instead of the system's, for clusters with host names and for --control",
      "ADDRESS[:PORT],...");
  add("--workers", line.workers, "number of worker threads", "N")
      ->check(usage::Number("number", 1, 64));
  add("--admin", line.admin, "address of the admin pages (with --control)", "ADDRESS:PORT");
  add("--log-level", log_level, "trace, debug, info, warning, error or off", "LEVEL");
  app.add_flag("--log-json", line.log_json, "log as JSON, one object per line");
  app.add_flag("--cause-header", line.cause_header,
               "errors that the sidecar answers itself have the header x-tulle-cause, with the "
               "cause that logs and spans have; it tells callers about the mesh");
  add("--drain-time", line.drain_seconds, "time for requests to finish after SIGTERM", "SECONDS")
      ->check(usage::Number("number", 0, 3600));
  add("--drain-quiet-ms", line.drain_quiet_ms,
      "after SIGTERM, listeners close when no client has connected for this long", "MILLISECONDS")
      ->check(usage::Number("number", 0, 60000));
  add("--label", line.labels,
      "label of this workload for its metrics, as a pod has it: app, version, ...; may be repeated",
      "KEY=VALUE");
  add("--series-expiry", line.series_expiry_seconds,
      "series of request and connection metrics that have not changed for this long end, so that "
      "peers and services that are gone use no memory; 0: never",
      "SECONDS")
      ->check(usage::Number("number", 0, 7 * 24 * 3600));
  add("--stall-limit", line.stall_limit_seconds,
      "exit when a worker thread has not responded for this long; 0: never", "SECONDS")
      ->check(usage::Number("number", 0, 3600));
}

// To measure what they cost: nobody has a reason to switch them off, so they are not in the help.
void AddSwitches(CLI::App& app, CommandLine& line) {
  const auto add = [&app](const char* name, bool& value) {
    app.add_option_function<std::string>(
           name, [&value](const std::string& text) { value = text == "on"; })
        ->check(CLI::IsMember({"on", "off"}))
        ->group("");
  };
  add("--recorder", line.records);
  add("--insight", line.tells_insight);
}

// What other hosts may reach.
void AddOpenPorts(CLI::App& app, CommandLine& line, CLI::Option* control) {
  const auto add = [&app](const char* name, auto& value, const char* help, const char* type) {
    return app.add_option(name, value, help)->type_name(type);
  };
  add("--metrics", line.metrics,
      "serves metrics, and nothing else, to other hosts, such as 0.0.0.0:15090; the control plane "
      "names it to Prometheus",
      "ADDRESS:PORT")
      ->needs(control);
  add("--health", line.health,
      "serves /ready and the probes of --app-probes, and nothing else, to other hosts, such as "
      "0.0.0.0:15021",
      "ADDRESS:PORT")
      ->needs(control);
  add("--app-probes", line.app_probes,
      "probes of the application that are carried out when /app-health/... is requested, as the "
      "injection into a pod writes them",
      "JSON")
      ->envname("TULLE_APP_PROBES");
}

// Other things to do than to be a sidecar.
void AddOtherTasks(CLI::App& app, CommandLine& line) {
  CLI::Option* const tasks[] = {
      app.add_flag("--leave", line.leave,
                   "ask the sidecar that runs here to leave the mesh and to continue to serve, "
                   "wait until it has left (at most 5 s), and exit: for a preStop hook"),
      app.add_option("--print-recorder", line.print_recorder,
                     "print the last requests of the sidecar with this --state-dir, also after a "
                     "crash, the newest first, as JSON lines")
          ->type_name("FOLDER")};
  for (CLI::Option* task : tasks) {
    for (const char* other : {"--config", "--control"}) task->excludes(app.get_option(other));
  }
  tasks[0]->excludes(tasks[1]);
}

}  // namespace

Parsed ParseCommandLine(int argc, char** argv) {
  CommandLine line;
  std::string log_level = "info";
  CLI::App app("The sidecar of the Tulle service mesh");
  usage::Describe(app, "tulle-sidecar");
  app.footer(kExamples);
  const auto add = [&app](const char* name, auto& value, const char* help, const char* type) {
    return app.add_option(name, value, help)->type_name(type);
  };
  auto* config = add("-c,--config", line.config_file, "an Envoy v3 bootstrap, YAML or JSON", "FILE")
                     ->check(usage::ReadableFile());
  auto* control = add("--control", line.control,
                      "tulle-control; a host name is resolved repeatedly", "HOST:PORT");
  config->excludes(control);
  AddOtherTasks(app, line);
  auto* token = add("--token-file", line.token_file,
                    "file with the join token (tullectl token create)", "FILE")
                    ->needs(control);
  add("--roots-file", line.roots_file,
      "in Kubernetes: file with the roots of the mesh (PEM); the token is a service account's "
      "then, for the audience tulle, and is used for each renewal",
      "FILE")
      ->needs(token);
  add("--state-dir", line.state_directory,
      "folder for key, certificate and last good configuration", "FOLDER")
      ->needs(control);
  add("--mesh-range", line.mesh_ranges,
      "range that contains only addresses of services of the mesh, for --transparent; may be "
      "repeated",
      "CIDR");
  AddOpenPorts(app, line, control);
  AddProcessOptions(app, line, log_level);
  AddSwitches(app, line);
  AddWorkloadOptions(app, line.workload);
  const auto code = usage::Parse(app, argc, argv, 1, [&] { return Check(line, log_level); });
  if (code) return {std::nullopt, *code};
  return {line, 0};
}

}  // namespace tulle::sidecar
