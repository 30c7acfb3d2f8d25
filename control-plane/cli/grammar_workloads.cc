#include "control-plane/cli/grammar.h"

namespace tulle::cli {
namespace {

constexpr int64_t kMostPort = 65535;
constexpr int64_t kMostDrainSeconds = 24 * 3600;

}  // namespace

void Grammar::AddHistory() {
  CLI::App& history =
      Add(app_, "history", "Show the changes of policies, newest first",
          "  tullectl history\n  tullectl history httproute post", Command::kHistory);
  history.add_option("KIND", invocation_.kind, "of one policy; or KIND/NAME")->type_name("");
  history.add_option("NAME", invocation_.names, "of the policy")->type_name("");
  TakeNamespace(history, false);
  TakeFormat(history,
             {{"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}});

  CLI::App& back = Add(app_, "rollback", "Make one policy, or all of them, as they were",
                       "  tullectl rollback                       # undo the last change\n"
                       "  tullectl rollback httproute post        # its version before this one\n"
                       "  tullectl rollback --to-revision 12 --dry-run",
                       Command::kRollback);
  back.add_option("KIND", invocation_.kind, "of one policy [all policies]; or KIND/NAME")
      ->type_name("");
  back.add_option("NAME", invocation_.names, "of the policy")->type_name("");
  TakeNumber(back, "--to-revision", &invocation_.revision, 1, INT64_MAX, "revision",
             "as it was after this one, see tullectl history [before the last change]")
      ->type_name("NUMBER");
  back.add_flag("--dry-run", invocation_.dry_run, "only say what would change");
  TakeNamespace(back, false);
  TakeFormat(back, {{"table", Format::kTable},
                    {"name", Format::kName},
                    {"json", Format::kJson},
                    {"yaml", Format::kYaml}});
}

void Grammar::AddStore() {
  CLI::App& backup = Add(app_, "backup", "Copy everything that tulle-control stores into a file",
                         "  tullectl backup mesh.backup", Command::kBackup);
  backup.add_option("FILE", invocation_.name, "the copy; it holds the mesh's private keys")
      ->required()
      ->type_name("");
  backup.add_flag("--force", invocation_.force, "replace the file if it is there");
  CLI::App& restore =
      Add(app_, "restore", "Make the store of a stopped tulle-control from such a file",
          "  systemctl stop tulle-control\n"
          "  tullectl restore mesh.backup --data-dir /var/lib/tulle\n"
          "  systemctl start tulle-control",
          Command::kRestore);
  restore.add_option("FILE", invocation_.name, "made by tullectl backup")
      ->required()
      ->type_name("");
  restore.add_option("--data-dir", invocation_.data_directory, "of tulle-control, on this machine")
      ->required()
      ->type_name("FOLDER");
  restore.add_flag("--force", invocation_.force,
                   "although there is a store; it is kept beside the new one");
}

void Grammar::AddHosts() {
  CLI::App& hosts = Add(app_, "hosts", "Show the virtual addresses of services, for a hosts file",
                        "  tullectl hosts\n  sudo tullectl hosts --write /etc/hosts\n"
                        "  sudo tullectl hosts --remove /etc/hosts",
                        Command::kHosts);
  auto* write = hosts
                    .add_option("--write", invocation_.write_to,
                                "put them into this file, in place of those put there before")
                    ->type_name("FILE");
  hosts.add_option("--remove", invocation_.remove_from, "take them out of this file")
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
                      "      --control 10.0.0.1:15012 -- ./web      # without any credential",
                      Command::kRun);
  run.add_option("--service", invocation_.services, "that the program belongs to")
      ->type_name("NAME")
      ->required();
  run.add_option("--account", invocation_.account, "its identity's name [the service]")
      ->type_name("NAME");
  const auto port = [&](const char* name, uint16_t* value, const char* help) {
    TakeNumber(run, name, value, 1, kMostPort, "port", help)->type_name("PORT");
  };
  port("--port", &flags.port, "that the program listens on; told to it as PORT");
  port("--service-port", &flags.service_port, "that others call [--port]");
  port("--listen", &flags.listen_port, "the sidecar's port for others [a free one]");
  TakeWord(run, "--protocol", &flags.protocol, {"http", "grpc", "http2", "tcp"}, "protocol",
           "of the port [http]")
      ->type_name("http|grpc|tcp");
  run.add_option("--address", flags.address, "that others reach this machine by")->type_name("IP");
  run.add_option("--upstream", flags.upstreams,
                 "SERVICE:PORT=LISTEN: a TCP service on a port of loopback; repeat for more")
      ->type_name("")
      ->allow_extra_args(false);
  run.add_option("--no-proxy", flags.no_proxy,
                 "hosts outside the mesh that the program calls past the sidecar, beside those of "
                 "NO_PROXY")
      ->type_name("HOSTS")
      ->delimiter(',');
  run.add_option("--opaque-ports", flags.opaque_ports, "whose bytes are not looked at")
      ->type_name("PORTS")
      ->delimiter(',');
  run.add_option("--skip-inbound-ports", flags.skip_ports, "that others reach past the sidecar")
      ->type_name("PORTS")
      ->delimiter(',');
  AddProgramWays(run);
  TakeNamespace(run, false);
}

// How the sidecar is started, and by which ways it reaches others.
void Grammar::AddProgramWays(CLI::App& run) {
  RunFlags& flags = invocation_.run;
  run.add_option("--sidecar", flags.sidecar, "tulle-sidecar [beside tullectl, or in PATH]")
      ->type_name("FILE");
  run.add_option("--control", flags.control,
                 "of tulle-control [the server's, at the port that it names]")
      ->type_name("HOST:PORT");
  run.add_option("--token-file", flags.token_file, "join token [one is made]")->type_name("FILE");
  run.add_option("--state-dir", flags.state_directory,
                 "for key and configuration [~/.local/state/tulle/SERVICE]")
      ->type_name("FOLDER");
  run.add_option("--sidecar-log-level", flags.log_level, "of the sidecar [warning]")
      ->type_name("LEVEL");
  TakeNumber(run, "--drain-time", &flags.drain_seconds, 0, kMostDrainSeconds, "number of seconds",
             "seconds for calls to end after the program has [30]")
      ->type_name("SECONDS");
}

}  // namespace tulle::cli
