#include "control-plane/cli/grammar.h"

namespace tulle::cli {
namespace {

const Formats kPlain = {
    {"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}};
const Formats kRaw = {{"table", Format::kTable},
                      {"raw", Format::kRaw},
                      {"json", Format::kJson},
                      {"yaml", Format::kYaml}};

}  // namespace

void Grammar::TakeIdentity(CLI::App& command) {
  command.add_option("--service", invocation_.services, "service of the workload; repeat for more")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command
      .add_option("--account", invocation_.account, "account in its identity [the first service]")
      ->type_name("NAME");
  command.add_option("--ttl", invocation_.ttl, "lifetime, like 10m, 24h or 7d")
      ->type_name("DURATION");
  TakeNamespace(command, false);
}

void Grammar::AddTokens() {
  CLI::App& token =
      Add(app_, "token", "Manage join tokens for new sidecars",
          "  tullectl token create --service post > token\n  tullectl token list", std::nullopt);
  CLI::App& create =
      Add(token, "create", "Create a join token; only the token is written to stdout",
          "  tullectl token create --service post > token\n"
          "  tullectl token create --service post --account post-v2 --ttl 10m",
          Command::kTokenCreate);
  TakeIdentity(create);
  TakeFormat(create, kRaw);
  CLI::App& list = Add(token, "list", "List join tokens, without their secrets",
                       "  tullectl token list", Command::kTokenList);
  TakeWatch(list);
  TakeFormat(list, kFormatsWithName);
  CLI::App& revoke =
      Add(token, "revoke", "Revoke a join token; workloads that already joined keep access",
          "  tullectl token revoke 3f9a1c22d07b", Command::kTokenRevoke);
  revoke.add_option("ID", invocation_.name, "id, see tullectl token list")
      ->required()
      ->type_name("");
}

void Grammar::AddCredentials() {
  CLI::App& credential = Add(app_, "credential", "Manage credentials for the API; not in a cluster",
                             "  tullectl credential create ann --role reader --out ann.json\n"
                             "  tullectl credential list",
                             std::nullopt);
  CLI::App& create =
      Add(credential, "create", "Create a credential, replacing any of the same name",
          "  tullectl credential create ann --role reader --out ann.json\n"
          "  tullectl credential create ci --role admin -o raw > ci.credential",
          Command::kCredentialCreate);
  create.add_option("NAME", invocation_.name, "name of the credential")->required()->type_name("");
  invocation_.role = "reader";
  TakeWord(create, "--role", &invocation_.role, {"reader", "admin"}, "role",
           "reader: may read; admin: may also change [reader]")
      ->type_name("reader|admin");
  create
      .add_option("--out", invocation_.write_to,
                  "file to write, for use with --credential-file; readable by its owner only "
                  "[the credential is written to stdout]")
      ->type_name("FILE");
  create.add_flag("--force", invocation_.force, "replace an existing file");
  TakeFormat(create, kRaw);
  CLI::App& list = Add(credential, "list", "List credentials and their roles",
                       "  tullectl credential list", Command::kCredentialList);
  TakeWatch(list);
  TakeFormat(list, kFormatsWithName);
  CLI::App& remove = Add(credential, "delete", "Delete a credential",
                         "  tullectl credential delete ann", Command::kCredentialDelete);
  remove.add_option("NAME", invocation_.name, "name of the credential")->required()->type_name("");
}

void Grammar::AddEviction() {
  CLI::App& evict =
      Add(app_, "evict", "Evict the workloads of an account: revoke their certificates",
          "  tullectl evict post\n  tullectl evict post-v2 -n shop", Command::kEvict);
  evict.description(
      "Evict the workloads of an account: revoke their certificates\n"
      "For example when a key of theirs was copied.\n"
      "All certificates and join tokens of the account's identity are revoked, its\n"
      "endpoints leave the mesh, and its connections are closed. It may join again with\n"
      "a new token.");
  evict.add_option("ACCOUNT", invocation_.account, "account in the identity, see tullectl status")
      ->required()
      ->type_name("");
  TakeNamespace(evict, false);
  TakeFormat(evict, kPlain);
}

// Proxies that do not register themselves.
void Grammar::AddForeign() {
  RegisterFlags& flags = invocation_.registration;
  CLI::App& add =
      Add(app_, "register", "Register a workload whose proxy does not do it itself, such as Envoy",
          "  tullectl register post-1 --service post --address 10.0.0.5 \\\n"
          "      --inbound 18080:8080:80/http",
          Command::kRegister);
  add.add_option("NAME", invocation_.name, "name of the instance: the proxy's node id")
      ->required()
      ->type_name("");
  add.add_option("--service", invocation_.services, "service of the workload; repeat for more")
      ->type_name("NAME")
      ->allow_extra_args(false);
  add.add_option("--account", invocation_.account, "account in its identity [the first service]")
      ->type_name("NAME");
  add.add_option("--address", flags.address, "IP address that callers connect to")
      ->required()
      ->type_name("ADDRESS");
  add.add_option("--inbound", flags.inbound,
                 "port of the service: where the proxy listens, the application's port on "
                 "127.0.0.1, the service's port, and http, grpc, tcp or auto; repeat for more")
      ->type_name("LISTEN:APPLICATION[:SERVICE]/PROTOCOL")
      ->allow_extra_args(false);
  TakeNumber(add, "--outbound-http", &flags.outbound_http, 1, 65535, "port",
             "port on 127.0.0.1 where the application calls HTTP services by name")
      ->type_name("PORT");
  add.add_option("--outbound-tcp", flags.outbound_tcp,
                 "port on 127.0.0.1 for one port of a service; repeat for more")
      ->type_name("SERVICE:PORT=LISTEN")
      ->allow_extra_args(false);
  TakeNamespace(add, false);
  CLI::App& remove = Add(app_, "deregister", "Remove a workload that was registered by hand",
                         "  tullectl deregister post-1", Command::kDeregister);
  remove.add_option("NAME", invocation_.name, "name of the instance")->required()->type_name("");
  CLI::App& bootstrap =
      Add(app_, "envoy-bootstrap", "Write the bootstrap and the certificate of an Envoy",
          "  tullectl envoy-bootstrap post-1 --out /etc/envoy-post\n"
          "  envoy -c /etc/envoy-post/bootstrap.json",
          Command::kEnvoyBootstrap);
  bootstrap.add_option("NAME", invocation_.name, "name of the registered instance")
      ->required()
      ->type_name("");
  bootstrap.add_option("--out", invocation_.directory, "folder for bootstrap, key and certificate")
      ->required()
      ->type_name("FOLDER");
  bootstrap
      .add_option("--control", invocation_.run.control,
                  "address of tulle-control for proxies [the server, at the port that it names]")
      ->type_name("HOST:PORT");
  TakeNumber(bootstrap, "--admin-port", &flags.admin_port, 1, 65535, "port",
             "port of Envoy's admin interface on 127.0.0.1 [15000]")
      ->type_name("PORT");
  bootstrap.add_flag("--force", invocation_.force, "replace existing files: a new certificate");
}

void Grammar::AddIdentities() {
  AddTokens();
  AddForeign();
  AddEviction();
  AddCredentials();
  CLI::App& cert = Add(app_, "cert", "Manage certificates and root certificates",
                       "  tullectl cert issue --service legacy --out ./identity\n"
                       "  tullectl cert rotate --watch",
                       std::nullopt);
  CLI::App& issue =
      Add(cert, "issue", "Create a key and issue a certificate for it",
          "  tullectl cert issue --service legacy --out ./identity --ttl 24h", Command::kCertIssue);
  TakeIdentity(issue);
  invocation_.directory = ".";
  issue.add_option("--out", invocation_.directory, "folder for key.pem, cert.pem, ca.pem [.]")
      ->type_name("FOLDER");
  issue.add_flag("--force", invocation_.force, "replace existing files");
  CLI::App& rotate = Add(cert, "rotate", "Rotate the root certificate without an interruption",
                         "  tullectl cert rotate --watch", Command::kCertRotate);
  rotate.add_flag("--watch", invocation_.wait,
                  "wait until the rotation is complete; it continues if you stop waiting");
  rotate
      .add_flag("--force", invocation_.force,
                "do not wait any longer: say what the next step of a rotation in progress breaks, "
                "and carry it out with --yes")
      ->excludes("--watch");
  rotate.add_flag("--yes", invocation_.yes, "with --force: carry it out")->needs("--force");
  CLI::App& roots =
      Add(cert, "roots", "Show root certificates and the state of their rotation",
          "  tullectl cert roots\n  tullectl cert roots -o raw > ca.pem", Command::kCertRoots);
  TakeWatch(roots);
  TakeFormat(roots, kRaw);
}

void Grammar::AddConfig() {
  CLI::App& config = Add(app_, "config", "Manage contexts: the control planes that tullectl uses",
                         "  tullectl config set-context local --credential-file admin.json\n"
                         "  tullectl config use-context local",
                         std::nullopt);
  config.description(
      "Manage contexts: the control planes that tullectl uses\n"
      "Contexts come from two files: control planes that are reached directly from the\n"
      "config file of tullectl (see config view), clusters from the kubeconfig. If both\n"
      "have a context of one name, that of the config file is used. The current context\n"
      "is that of use-context; without one, that of the kubeconfig, as with kubectl.\n"
      "These commands change the config file alone; use kubectl config to change the\n"
      "kubeconfig.");
  CLI::App& all = Add(config, "get-contexts", "List contexts", "  tullectl config get-contexts",
                      Command::kConfigGet);
  TakeFormat(all, {{"table", Format::kTable}, {"name", Format::kName}});
  Add(config, "current-context", "Show the context that commands use without --context",
      "  tullectl config current-context", Command::kConfigCurrent);
  Add(config, "view", "Show the config file; it contains no secrets", "  tullectl config view",
      Command::kConfigView);
  const auto add = [&](const char* name, const char* summary, const char* example,
                       Command command) -> CLI::App& {
    CLI::App& added = Add(config, name, summary, example, command);
    added.add_option("NAME", invocation_.name, "name of the context")->required()->type_name("");
    return added;
  };
  add("use-context", "Set the current context, of either file",
      "  tullectl config use-context local", Command::kConfigUse);
  CLI::App& unset = Add(config, "unset",
                        "Forget the current context: use that of the kubeconfig, as kubectl does",
                        "  tullectl config unset current-context", Command::kConfigUnset);
  TakeWord(unset, "PROPERTY", &invocation_.name, {"current-context"}, "property", "current-context")
      ->required()
      ->type_name("");
  add("delete-context", "Delete a context of the config file",
      "  tullectl config delete-context local", Command::kConfigDelete);
  CLI::App& set = add("set-context", "Create or change a context of the config file",
                      "  tullectl config set-context local --credential-file admin.json\n"
                      "  tullectl config set-context far --server https://10.0.0.1:15016 \\\n"
                      "      --credential-file ann.credential --ca-file ca.pem",
                      Command::kConfigSet);
  TakeNamespace(set, false);
  set.get_option("--namespace")->description("namespace of the context [default]");
}

void Grammar::AddRest() {
  CLI::App& check =
      Add(app_, "check", "Check the mesh for problems, or a cluster before Tulle is installed",
          "  tullectl check\n  tullectl check --pre\n\nExit code: 1 if it finds a problem.",
          Command::kCheck);
  CLI::Option* before = check.add_flag("--pre", invocation_.before_install,
                                       "check whether Tulle can be installed in the cluster");
  check.add_flag("--cni", invocation_.cni, "with --pre: installed with the CNI plugin")
      ->needs(before);
  TakeWatch(check);
  TakeFormat(check, kPlain);
  CLI::App& version = Add(app_, "version", "Show the versions of tullectl and tulle-control",
                          "  tullectl version --client", Command::kVersion);
  version.add_flag("--client", invocation_.client_only, "only the version of tullectl");
  TakeFormat(version, kPlain);
  CLI::App& completion = Add(app_, "completion", "Print the completion script of a shell",
                             "  source <(tullectl completion bash)", Command::kCompletion);
  TakeWord(completion, "SHELL", &invocation_.shell, {"bash", "zsh", "fish"}, "shell",
           "bash, zsh or fish")
      ->required()
      ->type_name("");
  // Read before all others, by ParseCommandLine.
  app_.add_subcommand("help", "Show the help of a command")
      ->footer("Examples:\n  tullectl help get\n  tullectl help token create")
      ->callback([] { throw CLI::CallForHelp(); });
}

}  // namespace tulle::cli
