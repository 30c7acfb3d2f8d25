#include "control-plane/cli/grammar.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/policy/names.h"
#include "net/usage/help_page.h"

namespace tulle::cli {
namespace {

const Formats kLists = {{"table", Format::kTable},
                        {"wide", Format::kWide},
                        {"name", Format::kName},
                        {"json", Format::kJson},
                        {"yaml", Format::kYaml}};

}  // namespace

const Formats kFormatsWithName = {{"table", Format::kTable},
                                  {"name", Format::kName},
                                  {"json", Format::kJson},
                                  {"yaml", Format::kYaml}};

Grammar::Grammar() {
  app_.name("tullectl");
  app_.formatter(std::make_shared<usage::HelpPage>());
  app_.set_help_flag("-h,--help", "show this help");
  app_.set_version_flag("--version", "", "show the version of tullectl");
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.footer(
      "Get started: tullectl check, with a kubeconfig; or\n"
      "             tullectl --credential-file DATA-DIR/admin.json check\n"
      "Destination: --kubeconfig; else --credential-file or --server; else --context,\n"
      "of the config file or the kubeconfig; else the current context of the config\n"
      "file, then of the kubeconfig; else, in a pod, its cluster.\n"
      "Help for a command: tullectl COMMAND --help, or tullectl help COMMAND\n"
      "Exit codes: 0 success, 1 error. check: 1 if it finds a problem. diff: 1 if there\n"
      "are differences, 2 on errors. run: the exit code of the program.");
  AddConnection();
  AddPolicies();
  AddDescribe();
  AddMesh();
  AddTraffic();
  AddAuthz();
  AddRequests();
  AddIdentities();
  AddConfig();
  AddHistory();
  AddStore();
  AddHosts();
  AddRun();
  AddInjection();
  AddInstallation();
  AddRest();
}

void Grammar::AddConnection() {
  ConnectionFlags& flags = invocation_.connection;
  const auto add = [&](const char* names, std::string& value, const char* help, const char* type) {
    // The last one wins, so that a command line can override a shell alias.
    app_.add_option(names, value, help)->type_name(type)->group("Connection")->take_last();
  };
  add("--config", flags.config_file,
      "config file with contexts [$TULLECTL_CONFIG or ~/.config/tulle/config]", "FILE");
  add("--kubeconfig", flags.kubeconfig,
      "kubeconfig of a cluster with Tulle [$KUBECONFIG or ~/.kube/config]", "FILE");
  add("--context", flags.context, "context of the config file or the kubeconfig [the current one]",
      "NAME");
  add("--server", flags.server, "control plane, https://HOST:PORT", "URL");
  add("--credential-file", flags.credential_file,
      "credential: admin.json of tulle-control, or a file with the secret only", "FILE");
  add("--ca-file", flags.ca_file, "root certificates of the mesh, PEM", "FILE");
  // Of all commands, before their names too, as with kubectl. Those that use it list it.
  TakeNamespaceAs(app_, "namespace [that of the context, or default]")
      ->group("Connection")
      ->take_last();
}

CLI::App& Grammar::Add(CLI::App& parent, const char* name, const char* summary,
                       const char* examples, std::optional<Command> command) {
  CLI::App& added = *parent.add_subcommand(name, summary);
  added.footer(std::string("Examples:\n") + examples +
               "\n\nConnection options: see tullectl --help");
  if (command) {
    added.callback([this, command] { invocation_.command = *command; });
  } else {
    added.require_subcommand(1);
  }
  return added;
}

CLI::Option* Grammar::TakeCount(CLI::App& command) {
  return TakeNumber(command, "--count", &invocation_.refreshes, 1, INT64_MAX, "number of refreshes",
                    "with --watch: end after so many refreshes [never]")
      ->type_name("NUMBER");
}

void Grammar::TakeWatch(CLI::App& command) {
  TakeCount(command)->needs(
      command.add_flag("-w,--watch", invocation_.watch, "refresh every 2 s until Ctrl-C"));
}

void Grammar::TakeFormat(CLI::App& command, const Formats& formats) {
  const auto name_of = [](std::string* out, const auto& format) { out->append(format.first); };
  const auto take = [this, formats, name_of](const std::string& text) {
    const auto found = std::find_if(formats.begin(), formats.end(), [&](const auto& format) {
      return format.first == absl::AsciiStrToLower(text);
    });
    if (found == formats.end()) {
      throw WrongValue("unsupported output format \"" + text + "\"",
                       "supported formats: " + absl::StrJoin(formats, ", ", name_of));
    }
    invocation_.format = found->second;
  };
  command.add_option_function<std::string>("-o,--output", take, "output format")
      ->type_name(absl::StrJoin(formats, "|", name_of));
}

CLI::Option* Grammar::TakeWord(CLI::App& command, const char* name, std::string* value,
                               std::vector<std::string> words, const char* what, const char* help) {
  const auto take = [=](const std::string& text) {
    if (std::find(words.begin(), words.end(), text) == words.end()) {
      throw WrongValue("invalid " + std::string(what) + " \"" + text + "\"",
                       "supported values: " + absl::StrJoin(words, ", "));
    }
    *value = text;
  };
  return command.add_option_function<std::string>(name, take, help);
}

void Grammar::TakeNamespace(CLI::App& command, bool or_all) {
  TakeNamespaceAs(command, "namespace [that of the context, or default]");
  if (or_all) command.add_flag("-A,--all-namespaces", invocation_.all_namespaces, "all namespaces");
}

// Without it, all are meant: -A says the same, as users of kubectl type it.
void Grammar::TakeProxyNamespace(CLI::App& command) {
  TakeNamespaceAs(command, "only proxies of this namespace [all]");
  command.add_flag("-A,--all-namespaces", invocation_.all_namespaces,
                   "proxies of all namespaces (the default)");
}

CLI::Option* Grammar::TakeNamespaceAs(CLI::App& command, const std::string& help) {
  const auto take = [this](const std::string& text) {
    if (!text.empty() && !policy::IsDnsLabel(text)) {
      throw WrongValue("invalid namespace \"" + text + "\"",
                       "use lower-case letters, digits and -");
    }
    invocation_.ns = text;
  };
  return command.add_option_function<std::string>("-n,--namespace", take, help)->type_name("NAME");
}

CLI::Option* Grammar::TakeFiles(CLI::App& command) {
  command.add_flag("-R,--recursive", invocation_.recursive, "include subfolders");
  return command
      .add_option("-f,--filename", invocation_.files, "file, folder, or - for standard input")
      ->type_name("FILE")
      ->allow_extra_args(false);
}

void Grammar::AddPolicies() {
  CLI::App& apply =
      Add(app_, "apply", "Apply policies: all of them or, on any error, none",
          "  tullectl apply -f shop.yaml\n  tullectl apply -f policies/ -f extra.yaml\n"
          "  cat shop.yaml | tullectl apply -f -\n\n"
          "In a cluster the API server checks all of them before the first change.\n"
          "Fields of a policy: tullectl explain KIND. Examples: docs/policies.md",
          Command::kApply);
  TakeFiles(apply)->required();
  apply.add_flag("--dry-run", invocation_.dry_run, "only show what would change");
  apply.add_flag("--force-conflicts", invocation_.force,
                 "in a cluster: take fields that another program or person owns");
  TakeFormat(apply, kFormatsWithName);
  TakeNamespace(apply, false);

  CLI::App& get = Add(app_, "get", "List policies, or show one",
                      "  tullectl get httproutes\n  tullectl get httproute post -o yaml\n"
                      "  tullectl get hr,pa\n  tullectl get httproute/post\n"
                      "  tullectl get all -A",
                      Command::kGet);
  get.add_option("KIND", invocation_.kind,
                 KindsHelp() +
                     "; several separated by commas; tulle (those of tulle.dev) or all; or "
                     "KIND/NAME; or services, workloads, proxies, namespaces")
      ->required()
      ->type_name("");
  get.add_option("NAME", invocation_.names, "names of policies")->type_name("");
  TakeNamespace(get, true);
  TakeWatch(get);
  TakeFormat(get, kLists);

  CLI::App& remove = Add(app_, "delete", "Delete policies",
                         "  tullectl delete httproute post\n  tullectl delete hr/post rp/post\n"
                         "  tullectl delete -f shop.yaml",
                         Command::kDelete);
  remove.add_option("KIND", invocation_.kind, "as for get")->type_name("");
  remove.add_option("NAME", invocation_.names, "names of policies")->type_name("");
  TakeFiles(remove);
  remove.add_flag("--dry-run", invocation_.dry_run, "only show what would be deleted");
  remove.add_flag("--ignore-not-found", invocation_.ignore_not_found,
                  "do not fail if a policy does not exist");
  TakeNamespace(remove, false);

  CLI::App& diff =
      Add(app_, "diff", "Show what apply would change; exit code 1 if there are differences",
          "  tullectl diff -f shop.yaml", Command::kDiff);
  TakeFiles(diff)->required();
  TakeNamespace(diff, false);
  CLI::App& validate = Add(app_, "validate", "Validate policy files without a server",
                           "  tullectl validate -f shop.yaml\n  tullectl validate -R -f policies/",
                           Command::kValidate);
  TakeFiles(validate)->required();
  TakeNamespace(validate, false);
  AddExplain();
}

void Grammar::AddDescribe() {
  CLI::App& describe =
      Add(app_, "describe", "Show a service, workload, policy or proxy with all that concerns it",
          "  tullectl describe service post\n  tullectl describe httproute post\n"
          "  tullectl describe workload post-v1-1\n  tullectl describe proxy post-v1-1",
          Command::kDescribe);
  describe.description(
      "Show a service, workload, policy or proxy with all that concerns it\n"
      "Of a service: its endpoints, policies and callers, and what is wrong. Of a\n"
      "workload: its identity, its proxy, the policies for it and its traffic.");
  describe.add_option("KIND", invocation_.kind, "service, workload, proxy, or " + KindsHelp())
      ->required()
      ->type_name("");
  describe.add_option("NAME", invocation_.names, "its name")->type_name("");
  TakeNamespace(describe, false);
  TakeWatch(describe);
}

void Grammar::AddMesh() {
  CLI::App& status = Add(app_, "status", "Show proxies: connection, sync state, certificate expiry",
                         "  tullectl status\n  tullectl status post-v1-1\n"
                         "  tullectl status -n shop -o wide",
                         Command::kStatus);
  status
      .add_option("PROXY", invocation_.name,
                  "only this proxy, with details; a unique prefix of its name is enough")
      ->type_name("");
  TakeProxyNamespace(status);
  TakeWatch(status);
  TakeFormat(status, kLists);

  CLI::App& config = Add(app_, "proxy-config", "Show the configuration of a proxy",
                         "  tullectl proxy-config post-v1-1 clusters\n"
                         "  tullectl pc post-v1-1 routes -o yaml\n  tullectl pc post-v1\n"
                         "  tullectl pc client.shop endpoints  # the pod client of namespace shop\n"
                         "  tullectl pc post-v1-1 clusters --live\n"
                         "  tullectl pc post-v1-1 --diff\n"
                         "  tullectl pc post-v1-1 endpoints --fqdn cart.shop --port 80",
                         Command::kProxyConfig);
  config.alias("pc");
  config
      .add_option("PROXY", invocation_.name, "name, see tullectl status; a unique prefix is enough")
      ->required()
      ->type_name("");
  config
      .add_option("PART", invocation_.part,
                  "listeners (l), routes (r), clusters (c), endpoints (e) or secrets (s) [all]")
      ->type_name("");
  config.add_flag(
      "--live", invocation_.is_live,
      "what is in force in the proxy, as it answers itself, and whether that is what it "
      "was sent; with -o json or yaml: with its state (health, connections, limits)");
  config.add_flag("--diff", invocation_.wants_diff,
                  "show how what is in force differs from what the proxy was sent; exit code 1 if "
                  "it does");
  config
      .add_option("--fqdn", invocation_.fqdn, "only resources of this host, or what it begins with")
      ->type_name("HOST");
  TakeNumber(config, "--port", &invocation_.port, 1, 65535, "port", "only resources of this port")
      ->type_name("PORT");
  TakeProxyNamespace(config);
  TakeWatch(config);
  TakeFormat(config, kFormatsWithName);

  CLI::App& services =
      Add(app_, "services", "List services with their ports and endpoints",
          "  tullectl services\n  tullectl services -A -o wide", Command::kServices);
  services.add_option("NAME", invocation_.name, "only this service")->type_name("");
  services.alias("svc");
  TakeNamespace(services, true);
  TakeWatch(services);
  TakeFormat(services, kLists);
}

}  // namespace tulle::cli
