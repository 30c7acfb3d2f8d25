#include "control-plane/cli/grammar.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "control-plane/cli/help_text.h"

namespace tulle::cli {
namespace {

using Formats = std::vector<std::pair<std::string, Format>>;

const Formats kLists = {{"table", Format::kTable},
                        {"wide", Format::kWide},
                        {"name", Format::kName},
                        {"json", Format::kJson},
                        {"yaml", Format::kYaml}};
const Formats kNamed = {{"table", Format::kTable},
                        {"name", Format::kName},
                        {"json", Format::kJson},
                        {"yaml", Format::kYaml}};

}  // namespace

Grammar::Grammar() {
  app_.name("tullectl");
  app_.formatter(std::make_shared<HelpPage>());
  app_.set_help_flag("-h,--help", "show this");
  app_.set_version_flag("--version", "", "show the version of tullectl");
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.footer(
      "Begin with: tullectl --credential-file DATA-DIR/admin.json check\n"
      "More of a command: tullectl COMMAND --help, or tullectl help COMMAND\n"
      "Exit codes: 0 done; 1 wrongly used, refused or failed. check: 1 if something is\n"
      "wrong. diff: 1 if anything differs, 2 if it failed. run: the program's.");
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
    // What stands later wins, so that an alias may name one and a line another.
    app_.add_option(names, value, help)->type_name(type)->group("Which control plane")->take_last();
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
  added.footer(std::string("Examples:\n") + examples +
               "\n\nWhich control plane, and as whom: see the options of tullectl --help");
  if (command) {
    added.callback([this, command] { invocation_.command = *command; });
  } else {
    added.require_subcommand(1);
  }
  return added;
}

void Grammar::TakeFormat(CLI::App& command, const Formats& formats) {
  const auto name_of = [](std::string* out, const auto& format) { out->append(format.first); };
  const auto take = [this, formats, name_of](const std::string& text) {
    const auto found = std::find_if(formats.begin(), formats.end(), [&](const auto& format) {
      return format.first == absl::AsciiStrToLower(text);
    });
    if (found == formats.end()) {
      throw WrongValue("\"" + text + "\" is no form of output here",
                       "one of " + absl::StrJoin(formats, ", ", name_of));
    }
    invocation_.format = found->second;
  };
  command.add_option_function<std::string>("-o,--output", take, "form of the output")
      ->type_name(absl::StrJoin(formats, "|", name_of));
}

CLI::Option* Grammar::TakeWord(CLI::App& command, const char* name, std::string* value,
                               std::vector<std::string> words, const char* what, const char* help) {
  const auto take = [=](const std::string& text) {
    if (std::find(words.begin(), words.end(), text) == words.end()) {
      throw WrongValue("\"" + text + "\" is no " + what, "one of " + absl::StrJoin(words, ", "));
    }
    *value = text;
  };
  return command.add_option_function<std::string>(name, take, help);
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
          "  cat shop.yaml | tullectl apply -f -\n\n"
          "Each kind of policy, its fields and examples: docs/policies.md",
          Command::kApply);
  TakeFiles(apply)->required();
  apply.add_flag("--dry-run", invocation_.dry_run, "only say what would change");
  TakeFormat(apply, kNamed);
  TakeNamespace(apply, false);

  CLI::App& get = Add(app_, "get", "Show policies",
                      "  tullectl get httproutes\n  tullectl get httproute post -o yaml\n"
                      "  tullectl get hr,pa\n  tullectl get httproute/post\n"
                      "  tullectl get all -A",
                      Command::kGet);
  get.add_option("KIND", invocation_.kind,
                 "httproutes (hr), resiliencepolicies (rp), authorizationpolicies (ap), "
                 "peerauthentications (pa), externalservices (es), telemetrypolicies (tp), "
                 "egresspolicies (ep), several with commas, or all; or KIND/NAME; or services, "
                 "proxies, namespaces")
      ->required()
      ->type_name("");
  get.add_option("NAME", invocation_.names, "of these policies")->type_name("");
  TakeNamespace(get, true);
  TakeFormat(get, kLists);

  CLI::App& remove = Add(app_, "delete", "Delete policies, all that are named in one change",
                         "  tullectl delete httproute post\n  tullectl delete hr/post rp/post\n"
                         "  tullectl delete -f shop.yaml",
                         Command::kDelete);
  remove.add_option("KIND", invocation_.kind, "as for get")->type_name("");
  remove.add_option("NAME", invocation_.names, "of the policies")->type_name("");
  TakeFiles(remove);
  remove.add_flag("--dry-run", invocation_.dry_run, "only say what would be deleted");
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
  TakeFormat(config, kNamed);

  CLI::App& services =
      Add(app_, "services", "Show services with their ports and endpoints",
          "  tullectl services\n  tullectl services -A -o wide", Command::kServices);
  services.add_option("NAME", invocation_.name, "only this one")->type_name("");
  services.alias("svc");
  TakeNamespace(services, true);
  TakeFormat(services, kLists);
}

}  // namespace tulle::cli
