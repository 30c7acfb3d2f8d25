#include "control-plane/cli/grammar.h"

namespace tulle::cli {
namespace {

using Formats = std::vector<std::pair<std::string, Format>>;

const Formats kPlain = {
    {"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}};
const Formats kNamed = {{"table", Format::kTable},
                        {"name", Format::kName},
                        {"json", Format::kJson},
                        {"yaml", Format::kYaml}};
const Formats kRaw = {{"table", Format::kTable},
                      {"raw", Format::kRaw},
                      {"json", Format::kJson},
                      {"yaml", Format::kYaml}};

}  // namespace

void Grammar::TakeIdentity(CLI::App& command) {
  command.add_option("--service", invocation_.services, "service of the workload; repeat for more")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command.add_option("--account", invocation_.account, "its identity's name [the first service]")
      ->type_name("NAME");
  command.add_option("--ttl", invocation_.ttl, "how long it is valid, like 10m, 24h or 7d")
      ->type_name("DURATION");
  TakeNamespace(command, false);
}

void Grammar::AddTokens() {
  CLI::App& token =
      Add(app_, "token", "Join tokens for new sidecars",
          "  tullectl token create --service post > token\n  tullectl token list", std::nullopt);
  CLI::App& create = Add(token, "create", "Make a join token; only the token goes to stdout",
                         "  tullectl token create --service post > token\n"
                         "  tullectl token create --service post --account post-v2 --ttl 10m",
                         Command::kTokenCreate);
  TakeIdentity(create);
  TakeFormat(create, kRaw);
  CLI::App& list = Add(token, "list", "Show join tokens by their ids, never themselves",
                       "  tullectl token list", Command::kTokenList);
  TakeFormat(list, kNamed);
  CLI::App& revoke = Add(token, "revoke", "Let nobody join with it any more",
                         "  tullectl token revoke 3f9a1c22d07b", Command::kTokenRevoke);
  revoke.add_option("ID", invocation_.name, "see tullectl token list")->required()->type_name("");
}

void Grammar::AddCredentials() {
  CLI::App& credential = Add(app_, "credential", "Credentials of people and tools that use the API",
                             "  tullectl credential create ann --role reader --out ann.json\n"
                             "  tullectl credential list",
                             std::nullopt);
  CLI::App& create = Add(credential, "create", "Make one; another of that name ends",
                         "  tullectl credential create ann --role reader --out ann.json\n"
                         "  tullectl credential create ci --role admin -o raw > ci.credential",
                         Command::kCredentialCreate);
  create.add_option("NAME", invocation_.name, "whose it is")->required()->type_name("");
  invocation_.role = "reader";
  TakeWord(create, "--role", &invocation_.role, {"reader", "admin"}, "role",
           "a reader may look, an admin may change [reader]")
      ->type_name("reader|admin");
  create
      .add_option("--out", invocation_.write_to,
                  "file for {server, ca, credential}, all that --credential-file needs; readable "
                  "by its owner alone [the credential goes to stdout]")
      ->type_name("FILE");
  create.add_flag("--force", invocation_.force, "replace the file if it is there");
  TakeFormat(create, kRaw);
  CLI::App& list = Add(credential, "list", "Show whose there are, and their roles",
                       "  tullectl credential list", Command::kCredentialList);
  TakeFormat(list, kNamed);
  CLI::App& remove = Add(credential, "delete", "End one at once",
                         "  tullectl credential delete ann", Command::kCredentialDelete);
  remove.add_option("NAME", invocation_.name, "whose it is")->required()->type_name("");
}

void Grammar::AddIdentities() {
  AddTokens();
  AddCredentials();
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
  CLI::App& all = Add(config, "get-contexts", "Show all", "  tullectl config get-contexts",
                      Command::kConfigGet);
  TakeFormat(all, {{"table", Format::kTable}, {"name", Format::kName}});
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
                      "  tullectl config set-context local --credential-file admin.json\n"
                      "  tullectl config set-context far --server https://10.0.0.1:15016 \\\n"
                      "      --credential-file ann.credential --ca-file ca.pem",
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
  TakeWord(completion, "SHELL", &invocation_.shell, {"bash", "zsh", "fish"}, "shell known here",
           "bash, zsh or fish")
      ->required()
      ->type_name("");
  // Read before all others, by ParseCommandLine.
  app_.add_subcommand("help", "Show the help of a command")
      ->footer("Examples:\n  tullectl help get\n  tullectl help token create")
      ->callback([] { throw CLI::CallForHelp(); });
}

}  // namespace tulle::cli
