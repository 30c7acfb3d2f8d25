#include "control-plane/cli/grammar.h"

namespace tulle::cli {
namespace {

using Formats = std::vector<std::pair<std::string, Format>>;

const Formats kLists = {{"table", Format::kTable},
                        {"wide", Format::kWide},
                        {"name", Format::kName},
                        {"json", Format::kJson},
                        {"yaml", Format::kYaml}};
const Formats kPlain = {
    {"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}};
const Formats kRaw = {{"table", Format::kTable},
                      {"raw", Format::kRaw},
                      {"json", Format::kJson},
                      {"yaml", Format::kYaml}};

}  // namespace

Grammar::Grammar() {
  app_.name("tullectl");
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.footer(
      "Begin with: tullectl --credential-file DATA-DIR/admin.json check\n"
      "More of a command: tullectl COMMAND --help");
  AddConnection();
  AddPolicies();
  AddMesh();
  AddIdentities();
  AddConfig();
  AddHistory();
  AddStore();
  AddHosts();
  AddRun();
  AddRest();
}

void Grammar::AddConnection() {
  ConnectionFlags& flags = invocation_.connection;
  const auto add = [&](const char* names, std::string& value, const char* help, const char* type) {
    app_.add_option(names, value, help)->type_name(type)->group("Which control plane");
  };
  add("--config", flags.config_file,
      "file of contexts [$TULLECTL_CONFIG, else ~/.config/tulle/config]", "FILE");
  add("--context", flags.context, "context to use instead of the current one", "NAME");
  add("--server", flags.server, "https://HOST:PORT", "URL");
  add("--credential-file", flags.credential_file,
      "who calls: admin.json of tulle-control, or a bare credential", "FILE");
  add("--ca-file", flags.ca_file, "PEM with the mesh's roots", "FILE");
}

CLI::App& Grammar::Add(CLI::App& parent, const char* name, const char* summary,
                       const char* examples, std::optional<Command> command) {
  CLI::App& added = *parent.add_subcommand(name, summary);
  added.footer(std::string("Examples:\n") + examples);
  if (command) {
    added.callback([this, command] { invocation_.command = *command; });
  } else {
    added.require_subcommand(1);
  }
  return added;
}

void Grammar::TakeFormat(CLI::App& command, const Formats& formats) {
  std::string names;
  for (const auto& [name, format] : formats) names += (names.empty() ? "" : "|") + name;
  command.add_option("-o,--output", invocation_.format, "form of the output")
      ->type_name(names)
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case).description(""));
}

void Grammar::TakeNamespace(CLI::App& command, bool or_all) {
  command.add_option("-n,--namespace", invocation_.ns, "namespace [the context's, else default]")
      ->type_name("NAME");
  if (or_all) command.add_flag("-A,--all-namespaces", invocation_.all_namespaces, "all of them");
}

CLI::Option* Grammar::TakeFiles(CLI::App& command) {
  command.add_flag("-R,--recursive", invocation_.recursive, "look into folders of folders");
  return command
      .add_option("-f,--filename", invocation_.files, "file, folder, or - for standard input")
      ->type_name("FILE")
      ->allow_extra_args(false);
}

void Grammar::AddPolicies() {
  CLI::App& apply =
      Add(app_, "apply", "Put policies in force: all of them or, on any error, none",
          "  tullectl apply -f shop.yaml\n  tullectl apply -f policies/ -f extra.yaml\n"
          "  cat shop.yaml | tullectl apply -f -",
          Command::kApply);
  TakeFiles(apply)->required();
  apply.add_flag("--dry-run", invocation_.dry_run, "only say what would change");
  TakeFormat(apply, {{"table", Format::kTable},
                     {"name", Format::kName},
                     {"json", Format::kJson},
                     {"yaml", Format::kYaml}});
  TakeNamespace(apply, false);

  CLI::App& get = Add(app_, "get", "Show policies",
                      "  tullectl get httproutes\n  tullectl get httproute post -o yaml\n"
                      "  tullectl get hr,pa\n  tullectl get httproute/post\n"
                      "  tullectl get all -A",
                      Command::kGet);
  get.add_option("KIND", invocation_.kind,
                 "httproutes (hr), resiliencepolicies (rp), authorizationpolicies (ap), "
                 "peerauthentications (pa), externalservices (es), telemetrypolicies (tp), "
                 "egresspolicies (ep), several "
                 "with commas, or all; "
                 "or KIND/NAME")
      ->required()
      ->type_name("");
  get.add_option("NAME", invocation_.names, "of these policies")->type_name("");
  TakeNamespace(get, true);
  TakeFormat(get, kLists);

  CLI::App& remove = Add(app_, "delete", "Delete policies",
                         "  tullectl delete httproute post\n  tullectl delete hr/post rp/post\n"
                         "  tullectl delete -f shop.yaml",
                         Command::kDelete);
  remove.add_option("KIND", invocation_.kind, "as for get")->type_name("");
  remove.add_option("NAME", invocation_.names, "of the policies")->type_name("");
  TakeFiles(remove);
  remove.add_flag("--ignore-not-found", invocation_.ignore_not_found,
                  "what is not there is no failure");
  TakeNamespace(remove, false);

  CLI::App& diff = Add(app_, "diff", "Show what apply would change (exit code 1 if anything)",
                       "  tullectl diff -f shop.yaml", Command::kDiff);
  TakeFiles(diff)->required();
  TakeNamespace(diff, false);
  CLI::App& validate = Add(app_, "validate", "Check policy files without a server",
                           "  tullectl validate -f shop.yaml\n  tullectl validate -R -f policies/",
                           Command::kValidate);
  TakeFiles(validate)->required();
  TakeNamespace(validate, false);
}

void Grammar::AddMesh() {
  CLI::App& status = Add(app_, "status", "Show each proxy: connected, in step, certificate's end",
                         "  tullectl status\n  tullectl status post-v1-1\n"
                         "  tullectl status -o wide",
                         Command::kStatus);
  status
      .add_option("PROXY", invocation_.name,
                  "only this one, with each type; the beginning of its name is enough")
      ->type_name("");
  TakeFormat(status, kLists);

  CLI::App& config = Add(app_, "proxy-config", "Show what a proxy was given",
                         "  tullectl proxy-config post-v1-1 clusters\n"
                         "  tullectl pc post-v1-1 routes -o yaml\n  tullectl pc post-v1",
                         Command::kProxyConfig);
  config.alias("pc");
  config
      .add_option("PROXY", invocation_.name,
                  "see tullectl status; the beginning of its name is enough")
      ->required()
      ->type_name("");
  config
      .add_option("PART", invocation_.part,
                  "listeners (l), routes (r), clusters (c), endpoints (e) or secrets (s) [all]")
      ->type_name("");
  TakeFormat(config, kLists);

  CLI::App& services =
      Add(app_, "services", "Show services with their ports and endpoints",
          "  tullectl services\n  tullectl services -A -o wide", Command::kServices);
  services.add_option("NAME", invocation_.name, "only this one")->type_name("");
  services.alias("svc");
  TakeNamespace(services, true);
  TakeFormat(services, kLists);
}

void Grammar::TakeIdentity(CLI::App& command) {
  command.add_option("--service", invocation_.services, "service of the workload; repeat for more")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command.add_option("--account", invocation_.account, "its identity's name [the first service]")
      ->type_name("NAME");
  command.add_option("--ttl", invocation_.ttl, "how long it is valid, like 10m or 24h")
      ->type_name("DURATION");
  TakeNamespace(command, false);
}

void Grammar::AddIdentities() {
  CLI::App& token = Add(app_, "token", "Join tokens for new sidecars",
                        "  tullectl token create --service post > token", std::nullopt);
  CLI::App& create = Add(token, "create", "Make a join token; only the token goes to stdout",
                         "  tullectl token create --service post > token\n"
                         "  tullectl token create --service post --account post-v2 --ttl 10m",
                         Command::kTokenCreate);
  TakeIdentity(create);
  TakeFormat(create, kRaw);

  CLI::App& cert = Add(app_, "cert", "Certificates and roots",
                       "  tullectl cert issue --service legacy --out ./identity\n"
                       "  tullectl cert rotate --watch",
                       std::nullopt);
  CLI::App& issue =
      Add(cert, "issue", "Make a key here and have it certified",
          "  tullectl cert issue --service legacy --out ./identity --ttl 24h", Command::kCertIssue);
  TakeIdentity(issue);
  invocation_.directory = ".";
  issue.add_option("--out", invocation_.directory, "folder for key.pem, cert.pem, ca.pem [.]")
      ->type_name("FOLDER");
  issue.add_flag("--force", invocation_.force, "replace files that are there");
  CLI::App& rotate = Add(cert, "rotate", "Replace the root, step by step, without an interruption",
                         "  tullectl cert rotate --watch", Command::kCertRotate);
  rotate.add_flag("--watch", invocation_.watch, "wait until it is done");
  CLI::App& roots =
      Add(cert, "roots", "Show the roots and the state of their rotation",
          "  tullectl cert roots\n  tullectl cert roots -o raw > ca.pem", Command::kCertRoots);
  TakeFormat(roots, kRaw);
}

void Grammar::AddConfig() {
  CLI::App& config = Add(app_, "config", "Contexts: the control planes one works with",
                         "  tullectl config set-context local --credential-file admin.json\n"
                         "  tullectl config use-context local",
                         std::nullopt);
  Add(config, "get-contexts", "Show all", "  tullectl config get-contexts", Command::kConfigGet);
  Add(config, "current-context", "Name the one in use", "  tullectl config current-context",
      Command::kConfigCurrent);
  Add(config, "view", "Show the file (it holds no secret)", "  tullectl config view",
      Command::kConfigView);
  const auto add = [&](const char* name, const char* summary, const char* example,
                       Command command) -> CLI::App& {
    CLI::App& added = Add(config, name, summary, example, command);
    added.add_option("NAME", invocation_.name, "of the context")->required()->type_name("");
    return added;
  };
  add("use-context", "Choose one", "  tullectl config use-context local", Command::kConfigUse);
  add("delete-context", "Forget one", "  tullectl config delete-context local",
      Command::kConfigDelete);
  CLI::App& set = add("set-context", "Make or change one",
                      "  tullectl config set-context local --server https://127.0.0.1:15016 "
                      "--credential-file F --ca-file F",
                      Command::kConfigSet);
  TakeNamespace(set, false);
}

void Grammar::AddRest() {
  CLI::App& check =
      Add(app_, "check", "Say what is wrong with the mesh", "  tullectl check", Command::kCheck);
  TakeFormat(check, kPlain);
  CLI::App& version = Add(app_, "version", "Show the versions of tullectl and tulle-control",
                          "  tullectl version --client", Command::kVersion);
  version.add_flag("--client", invocation_.client_only, "without asking the server");
  TakeFormat(version, kPlain);
  CLI::App& completion = Add(app_, "completion", "Print completion for a shell",
                             "  source <(tullectl completion bash)", Command::kCompletion);
  completion.add_option("SHELL", invocation_.shell, "bash, zsh or fish")
      ->required()
      ->type_name("")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

}  // namespace tulle::cli
