#include "control-plane/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/str_split.h"
#include "control-plane/cli/grammar.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/proxy_part.h"
#include "control-plane/cli/user_error.h"
#include "net/usage/suggestion.h"
#include "net/usage/usage_error.h"

namespace tulle::cli {
namespace {

std::vector<std::string> NamesOfCommands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(each->get_name());
  }
  return names;
}

const CLI::App* ChildNamed(const CLI::App& app, const std::string& name) {
  for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (each->check_name(name)) return each;
  }
  return nullptr;
}

bool TakesValue(const CLI::App& app, const std::string& argument) {
  if (argument.find('=') != std::string::npos) return false;
  for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) {
    if (option->check_name(argument)) return option->get_items_expected_max() > 0;
  }
  return app.get_parent() != nullptr && TakesValue(*app.get_parent(), argument);
}

std::string PathOf(const CLI::App& app) {
  return app.get_parent() == nullptr ? "tullectl"
                                     : PathOf(*app.get_parent()) + " " + app.get_name();
}

// The last known command in the arguments, and the first word or option that is unknown to it.
struct Trail {
  const CLI::App* command;
  std::string unknown_command;
  std::string unknown_option;
};

Trail FollowTrail(const CLI::App& app, const std::vector<std::string>& arguments) {
  Trail trail{&app, "", ""};
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.size() > 2 && argument.starts_with("--")) {
      const std::vector<std::string> known = usage::NamesOfOptions(*trail.command);
      const std::string name = argument.substr(0, argument.find('='));
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        trail.unknown_option = name;
        return trail;
      }
    }
    if (argument.starts_with("-")) {
      if (TakesValue(*trail.command, argument)) ++i;
      continue;
    }
    if (NamesOfCommands(*trail.command).empty()) continue;
    const CLI::App* child = ChildNamed(*trail.command, argument);
    if (child == nullptr) {
      trail.unknown_command = argument;
      return trail;
    }
    trail.command = child;
  }
  return trail;
}

// -n may stand before every command, and after those that use it.
bool HasIdleNamespace(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::Option* option = app.get_option("--namespace");
  size_t before = 0;
  for (size_t i = 0; i < arguments.size() && arguments[i].starts_with("-"); ++i) {
    if (arguments[i].starts_with("-n") || arguments[i].starts_with("--namespace")) ++before;
    if (TakesValue(app, arguments[i])) ++i;
  }
  return option->count() > before;
}

absl::Status ExplainError(const CLI::App& app, const std::vector<std::string>& arguments,
                          const CLI::ParseError& error) {
  const Trail trail = FollowTrail(app, arguments);
  const std::string see = "see `" + PathOf(*trail.command) + " --help`";
  if (const auto* wrong = dynamic_cast<const WrongValue*>(&error)) {
    return UserError(wrong->what(), wrong->hint);
  }
  if (!trail.unknown_command.empty()) {
    return UserError(
        "unknown command \"" + trail.unknown_command + "\" for " + PathOf(*trail.command),
        usage::DidYouMean(trail.unknown_command, NamesOfCommands(*trail.command), see));
  }
  if (!trail.unknown_option.empty()) {
    const auto [text, hint] = usage::UnknownOption(*trail.command, trail.unknown_option, see);
    return UserError(text, hint);
  }
  const std::vector<std::string> rest = app.remaining(/*recurse=*/true);
  const auto [text, hint] = usage::Explain(*trail.command, rest, error, see);
  const bool has_extra_file =
      !rest.empty() && !rest.front().starts_with("-") && TakesValue(*trail.command, "--filename");
  return UserError(text, has_extra_file ? "repeat -f for each file, or name the folder" : hint);
}

void CollectOptions(const CLI::App& app, const std::string& path, Vocabulary* vocabulary) {
  for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) {
    if (option->get_items_expected_max() == 0) continue;
    for (const std::string& name : option->get_snames()) vocabulary->valued.insert("-" + name);
    for (const std::string& name : option->get_lnames()) {
      vocabulary->valued.insert("--" + name);
      if (name == "output") {
        vocabulary->formats[path] = absl::StrSplit(option->get_type_name(), '|');
      }
    }
  }
}

void CollectWords(const CLI::App& app, const std::string& path, Vocabulary* vocabulary) {
  std::vector<std::string> here = NamesOfCommands(app);
  for (const std::string& child : NamesOfCommands(app)) {
    CollectWords(*ChildNamed(app, child), path.empty() ? child : path + " " + child, vocabulary);
  }
  CollectOptions(app, path, vocabulary);
  for (const std::string& option : usage::NamesOfOptions(app)) {
    if (std::find(here.begin(), here.end(), option) == here.end()) here.push_back(option);
  }
  if (path == "explain") {
    for (const std::string& kind : KindWords()) here.push_back(kind);
    for (const std::string& field : FieldPaths()) here.push_back(field);
  } else if (path == "get" || path == "describe" || path == "delete" || path == "history" ||
             path == "rollback") {
    for (const std::string& kind : KindWords()) here.push_back(kind);
    if (path == "describe") here.insert(here.end(), {"service", "workload", "proxy"});
    if (path == "get")
      here.insert(here.end(), {"all", "tulle", "services", "workloads", "proxies", "namespaces"});
  } else if (path == "proxy-config") {
    for (const std::string_view part : kProxyParts) here.emplace_back(part);
  } else if (path == "completion") {
    here.insert(here.end(), {"bash", "zsh", "fish"});
  } else if (path == "help") {
    for (const std::string& command : NamesOfCommands(*app.get_parent())) here.push_back(command);
  }
  vocabulary->words[path] = here;
}

// What follows -- are the words of another program, or METHOD and URL with their options.
bool HasProgram(const CLI::App& command) { return command.get_name() == "run"; }
bool HasRequest(const CLI::App& command) { return command.get_name() == "explain"; }

// `tullectl help get` is `tullectl get --help`.
std::vector<std::string> OwnWords(const CLI::App& app, const std::vector<std::string>& arguments) {
  const auto mark = std::find(arguments.begin(), arguments.end(), "--");
  std::vector<std::string> own(arguments.begin(), mark);
  if (mark != arguments.end() && HasRequest(*FollowTrail(app, own).command))
    own.insert(own.end(), mark + 1, arguments.end());
  if (own.empty() || own[0] != "help") return own;
  if (own.size() > 1) own.erase(own.begin());
  if (arguments.size() == 1) own[0] = "--help";
  own.push_back("--help");
  return own;
}

HelpText HelpOf(const CLI::App& command) {
  return HelpText{
      command.help(command.get_parent() == nullptr ? "" : PathOf(*command.get_parent()))};
}

}  // namespace

std::variant<Invocation, HelpText, absl::Status> ParseCommandLine(
    const std::vector<std::string>& arguments) {
  Grammar grammar;
  CLI::App& app = grammar.app();
  if (arguments.empty()) return HelpText{app.help()};
  const std::vector<std::string> own = OwnWords(app, arguments);
  const auto mark = std::find(arguments.begin(), arguments.end(), "--");
  try {
    // CLI11 expects them in reverse order.
    app.parse(std::vector<std::string>(own.rbegin(), own.rend()));
  } catch (const CLI::CallForHelp& help) {
    const Trail trail = FollowTrail(app, own);
    return trail.unknown_command.empty()
               ? std::variant<Invocation, HelpText, absl::Status>(HelpOf(*trail.command))
               : ExplainError(app, own, help);
  } catch (const CLI::CallForVersion&) {
    Invocation version;
    version.client_only = true;
    return version;
  } catch (const CLI::ParseError& error) {
    return ExplainError(app, own, error);
  }
  const CLI::App& command = *FollowTrail(app, own).command;
  if (HasIdleNamespace(app, own)) {
    return UserError("unknown option -n", "see `" + PathOf(command) + " --help`");
  }
  Invocation& invocation = grammar.invocation();
  if (mark == arguments.end()) return invocation;
  if (HasProgram(command)) {
    invocation.run.program.assign(mark + 1, arguments.end());
  } else if (!HasRequest(command)) {
    return UserError("unexpected argument --", "see `" + PathOf(command) + " --help`");
  } else if (invocation.what_if.url.empty()) {
    return UserError("-- must be followed by the METHOD and the URL of a request",
                     "tullectl explain --from CALLER -- GET http://SERVICE/PATH");
  }
  return invocation;
}

Vocabulary VocabularyOfCommands() {
  Grammar grammar;
  Vocabulary vocabulary;
  CollectWords(grammar.app(), "", &vocabulary);
  return vocabulary;
}

}  // namespace tulle::cli
