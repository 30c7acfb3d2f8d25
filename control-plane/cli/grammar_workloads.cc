#include "control-plane/cli/grammar.h"

namespace tulle::cli {
namespace {

constexpr int64_t kMostPort = 65535;
constexpr int64_t kMostDrainSeconds = 24 * 3600;

}  // namespace

void Grammar::AddHistory() {
  CLI::App& history =
      Add(app_, "history", "List changes of policies, newest first; not in a cluster",
          "  tullectl history\n  tullectl history httproute post", Command::kHistory);
  history.add_option("KIND", invocation_.kind, "kind of one policy; or KIND/NAME")->type_name("");
  history.add_option("NAME", invocation_.names, "name of the policy")->type_name("");
  TakeNamespace(history, false);
  TakeWatch(history);
  TakeFormat(history,
             {{"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}});

  CLI::App& back = Add(app_, "rollback", "Restore an earlier version of policies; not in a cluster",
                       "  tullectl rollback                       # undo the last change\n"
                       "  tullectl rollback httproute post        # its version before this one\n"
                       "  tullectl rollback --to-revision 12 --dry-run",
                       Command::kRollback);
  back.add_option("KIND", invocation_.kind, "kind of one policy [all policies]; or KIND/NAME")
      ->type_name("");
  back.add_option("NAME", invocation_.names, "name of the policy")->type_name("");
  TakeNumber(back, "--to-revision", &invocation_.revision, 1, INT64_MAX, "revision",
             "revision to restore, see tullectl history [before the last change]")
      ->type_name("NUMBER");
  back.add_flag("--dry-run", invocation_.dry_run, "only show what would change");
  TakeNamespace(back, false);
  TakeFormat(back, {{"table", Format::kTable},
                    {"name", Format::kName},
                    {"json", Format::kJson},
                    {"yaml", Format::kYaml}});
}

void Grammar::AddStore() {
  CLI::App& backup =
      Add(app_, "backup", "Back up the store of tulle-control to a file; not in a cluster",
          "  tullectl backup mesh.backup", Command::kBackup);
  backup
      .add_option("FILE", invocation_.name, "backup file; it contains the private keys of the mesh")
      ->required()
      ->type_name("");
  backup.add_flag("--force", invocation_.force, "replace an existing file");
  CLI::App& restore = Add(app_, "restore", "Restore a stopped tulle-control from a backup",
                          "  systemctl stop tulle-control\n"
                          "  tullectl restore mesh.backup --data-dir /var/lib/tulle\n"
                          "  systemctl start tulle-control",
                          Command::kRestore);
  restore.add_option("FILE", invocation_.name, "backup file of tullectl backup")
      ->required()
      ->type_name("");
  restore
      .add_option("--data-dir", invocation_.data_directory,
                  "data directory of tulle-control on this machine")
      ->required()
      ->type_name("FOLDER");
  restore.add_flag("--force", invocation_.force,
                   "replace an existing store; it is kept beside the new one");
}

void Grammar::AddHosts() {
  CLI::App& hosts = Add(app_, "hosts", "List virtual addresses of services, for a hosts file",
                        "  tullectl hosts\n  sudo tullectl hosts --write /etc/hosts\n"
                        "  sudo tullectl hosts --remove /etc/hosts",
                        Command::kHosts);
  auto* write = hosts
                    .add_option("--write", invocation_.write_to,
                                "write them to this file, replacing those written before")
                    ->type_name("FILE");
  hosts.add_option("--remove", invocation_.remove_from, "remove them from this file")
      ->type_name("FILE")
      ->excludes(write);
  TakeNamespace(hosts, false);
  TakeFormat(hosts, {{"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}});
}

void Grammar::AddRun() {
  RunFlags& flags = invocation_.run;
  CLI::App& run = Add(app_, "run", "Run a program with a sidecar, without root",
                      "  tullectl run --service web --port 8080 -- ./web --verbose\n"
                      "  tullectl run --service shop --port 8080 --upstream redis:6379=16379 \\\n"
                      "      -- python3 shop.py\n"
                      "  tullectl run --service web --port 8080 --token-file web.token \\\n"
                      "      --control 10.0.0.1:15012 -- ./web      # needs no credential",
                      Command::kRun);
  const auto take = [this](const std::string& name) { invocation_.services = {name}; };
  run.add_option_function<std::string>("--service", take, "service of the program")
      ->type_name("NAME")
      ->required();
  run.add_option("--account", invocation_.account, "account in its identity [the service]")
      ->type_name("NAME");
  const auto port = [&](const char* name, uint16_t* value, const char* help) {
    TakeNumber(run, name, value, 1, kMostPort, "port", help)->type_name("PORT");
  };
  port("--port", &flags.port, "port of the program, passed to it as PORT");
  port("--service-port", &flags.service_port, "port that clients call [--port]");
  port("--listen", &flags.listen_port, "inbound port of the sidecar [a free one]");
  TakeWord(run, "--protocol", &flags.protocol, {"http", "grpc", "http2", "tcp"}, "protocol",
           "protocol of the port [http]")
      ->type_name("http|grpc|http2|tcp");
  run.add_option("--address", flags.address, "address of this machine for other workloads")
      ->type_name("IP");
  run.add_option(
         "--upstream", flags.upstreams,
         "SERVICE:PORT=LISTEN: make a service available on a loopback port, routed as its protocol "
         "asks for; repeatable")
      ->type_name("")
      ->allow_extra_args(false);
  run.add_option("--no-proxy", flags.no_proxy,
                 "hosts outside of the mesh that the program calls directly, in addition to "
                 "$NO_PROXY")
      ->type_name("HOSTS")
      ->delimiter(',');
  run.add_option("--opaque-ports", flags.opaque_ports, "ports without protocol detection")
      ->type_name("PORTS")
      ->delimiter(',');
  run.add_option("--skip-inbound-ports", flags.skip_ports, "ports that bypass the sidecar")
      ->type_name("PORTS")
      ->delimiter(',');
  run.add_option("--metrics", flags.metrics,
                 "where the sidecar serves its metrics to other hosts, such as 0.0.0.0:15090")
      ->type_name("ADDRESS:PORT");
  run.add_option("--health", flags.health,
                 "where it serves /ready to other hosts, such as 0.0.0.0:15021")
      ->type_name("ADDRESS:PORT");
  run.add_flag("--cause-header", flags.cause_header,
               "errors that the sidecar answers itself have a header x-tulle-cause");
  AddProgramWays(run);
  TakeNamespace(run, false);
}

// How the sidecar is started, and how it reaches the control plane.
void Grammar::AddProgramWays(CLI::App& run) {
  RunFlags& flags = invocation_.run;
  run.add_option("--sidecar", flags.sidecar, "tulle-sidecar binary [next to tullectl, or in PATH]")
      ->type_name("FILE");
  run.add_option("--control", flags.control,
                 "address of tulle-control for sidecars [that of --server]")
      ->type_name("HOST:PORT");
  run.add_option("--token-file", flags.token_file, "join token [a new one is created]")
      ->type_name("FILE");
  run.add_option("--state-dir", flags.state_directory,
                 "folder for key and configuration [~/.local/state/tulle/SERVICE]")
      ->type_name("FOLDER");
  run.add_option("--sidecar-log-level", flags.log_level, "log level of the sidecar [warning]")
      ->type_name("LEVEL");
  TakeNumber(run, "--drain-time", &flags.drain_seconds, 0, kMostDrainSeconds, "number of seconds",
             "time for active calls to finish after the program ends [30]")
      ->type_name("SECONDS");
}

}  // namespace tulle::cli
