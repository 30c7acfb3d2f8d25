// The commands of tullectl with their options, as CLI11 has them. For this package only.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "control-plane/cli/invocation.h"

namespace tulle::cli {

// An invalid value of an option or argument.
class WrongValue : public CLI::ParseError {
 public:
  WrongValue(const std::string& error, std::string what_to_use)
      : CLI::ParseError("WrongValue", error, CLI::ExitCodes::ValidationError),
        hint(std::move(what_to_use)) {}

  const std::string hint;
};

// The choices of -o, the first being the default.
using Formats = std::vector<std::pair<std::string, Format>>;

extern const Formats kFormatsWithName;

// Whether `explain` is asked for a request: no kind of policy has a digit.
bool IsRequestId(const std::string& text);

// The parser, and the invocation that it fills in.
class Grammar {
 public:
  Grammar();
  Grammar(const Grammar&) = delete;

  CLI::App& app() { return app_; }
  Invocation& invocation() { return invocation_; }

 private:
  CLI::App& Add(CLI::App& parent, const char* name, const char* summary, const char* examples,
                std::optional<Command> command);
  void AddConnection();
  void AddPolicies();
  void AddDescribe();
  void AddMesh();
  // grammar_requests.cc
  void AddExplain();
  void AddTap();
  void TakeTapHeaders(CLI::App& tap);
  void AddEvents();
  void AddBugReport();
  void AddRequests();
  // grammar_what_if.cc
  void TakeWhatIf(CLI::App& explain);
  void AddAuthz();
  CLI::Option* TakeCaller(CLI::App& command);
  // grammar_traffic.cc
  void AddTraffic();
  void AddTop();
  void TakeSelection(CLI::App& command, const std::string& what, const std::string& of_namespace);
  void TakeWindow(CLI::App& command);
  // grammar_workloads.cc
  void AddHistory();
  void AddStore();
  void AddHosts();
  void AddRun();
  void AddProgramWays(CLI::App& run);
  // grammar_kubernetes.cc
  void AddInjection();
  void AddInstallation();
  void TakeApply(CLI::App& install);
  void TakeCni(CLI::App& command, const char* help);
  // grammar_rest.cc
  void AddTokens();
  void AddEviction();
  void AddForeign();
  void AddCredentials();
  void AddIdentities();
  void AddConfig();
  void AddRest();

  void TakeFormat(CLI::App& command, const Formats& formats);
  void TakeWatch(CLI::App& command);
  CLI::Option* TakeCount(CLI::App& command);
  void TakeNamespace(CLI::App& command, bool or_all);
  CLI::Option* TakeNamespaceAs(CLI::App& command, const std::string& help);
  void TakeProxyNamespace(CLI::App& command);
  CLI::Option* TakeFiles(CLI::App& command);
  void TakeIdentity(CLI::App& command);
  // Accepts only `words`.
  CLI::Option* TakeWord(CLI::App& command, const char* name, std::string* value,
                        std::vector<std::string> words, const char* what, const char* help);
  // A whole number of [least, most].
  template <typename Number>
  CLI::Option* TakeNumber(CLI::App& command, const char* name, Number* value, int64_t least,
                          int64_t most, const char* what, const char* help);

  Invocation invocation_;
  CLI::App app_{"tullectl manages a Tulle service mesh."};
};

template <typename Number>
CLI::Option* Grammar::TakeNumber(CLI::App& command, const char* name, Number* value, int64_t least,
                                 int64_t most, const char* what, const char* help) {
  const auto take = [=](const std::string& text) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(text, &number) || number < least || number > most) {
      throw WrongValue("invalid " + std::string(what) + " \"" + text + "\"",
                       most == INT64_MAX ? "must be a whole number from " + std::to_string(least)
                                         : "must be between " + std::to_string(least) + " and " +
                                               std::to_string(most));
    }
    *value = static_cast<Number>(number);
  };
  return command.add_option_function<std::string>(name, take, help);
}

}  // namespace tulle::cli
