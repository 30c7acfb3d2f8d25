// The commands of tullectl with their options, as CLI11 has them. For this package only.
#ifndef TULLE_CONTROL_PLANE_CLI_GRAMMAR_H_
#define TULLE_CONTROL_PLANE_CLI_GRAMMAR_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control-plane/cli/invocation.h"

namespace tulle::cli {

// The parser, and the invocation that it fills.
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
  void AddMesh();
  void AddIdentities();
  void AddConfig();
  void AddRest();
  // grammar_workloads.cc
  void AddHistory();
  void AddStore();
  void AddHosts();
  void AddRun();

  using Formats = std::vector<std::pair<std::string, Format>>;
  void TakeFormat(CLI::App& command, const Formats& formats);
  void TakeNamespace(CLI::App& command, bool or_all);
  CLI::Option* TakeFiles(CLI::App& command);
  void TakeIdentity(CLI::App& command);

  Invocation invocation_;
  CLI::App app_{"tullectl steers and shows a Tulle service mesh."};
};

}  // namespace tulle::cli

#endif  // TULLE_CONTROL_PLANE_CLI_GRAMMAR_H_
