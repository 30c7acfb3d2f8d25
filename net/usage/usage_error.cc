#include "net/usage/usage_error.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "net/usage/suggestion.h"

namespace tulle::usage {
namespace {

std::string TypeOf(const CLI::App& app, const std::string& option) {
  for (const CLI::Option* each : app.get_options([](const CLI::Option*) { return true; })) {
    if (each->check_name(option)) return each->get_type_name();
  }
  return app.get_parent() == nullptr ? "" : TypeOf(*app.get_parent(), option);
}

// "--port: 1 required PORT missing", "--port: At Most 1 required but received 2".
std::string ExplainMismatch(const CLI::App& command, const std::string& text) {
  const std::string option = text.substr(0, text.find(':'));
  if (text.find("At Most") != std::string::npos) return option + " can be given only once";
  if (text.find("missing") == std::string::npos) return text;
  const std::string type = TypeOf(command, option);
  return option + " requires a value" + (type.empty() ? "" : " (" + type + ")");
}

std::string ExplainText(const CLI::App& command, const CLI::ParseError& error) {
  const std::string text = error.what();
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    return ExplainMismatch(command, text);
  }
  if (dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr) {
    const size_t at = text.find(" excludes ");
    if (at == std::string::npos) return text;
    return text.substr(0, at) + " and " + text.substr(at + strlen(" excludes ")) +
           " cannot be used together";
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr &&
      text == "A subcommand is required") {
    return command.get_name() + " requires a command";
  }
  constexpr std::string_view kConversion = "Could not convert: ";
  const size_t value = text.find(" = ");
  if (!text.starts_with(kConversion) || value == std::string::npos) return text;
  return text.substr(kConversion.size(), value - kConversion.size()) + ": invalid value \"" +
         text.substr(value + 3) + "\"";
}

}  // namespace

std::vector<std::string> NamesOfOptions(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  if (app.get_parent() != nullptr) {
    for (const std::string& name : NamesOfOptions(*app.get_parent())) names.push_back(name);
  }
  return names;
}

UsageError UnknownOption(const CLI::App& command, const std::string& name, const std::string& see) {
  return {"unknown option " + name, DidYouMean(name, NamesOfOptions(command), see)};
}

UsageError Explain(const CLI::App& command, const std::vector<std::string>& rest,
                   const CLI::ParseError& error, const std::string& see) {
  if (rest.empty()) return {ExplainText(command, error), see};
  const std::string& first = rest.front();
  if (first.size() < 2 || first.front() != '-') {
    return {"unexpected argument \"" + first + "\"", see};
  }
  return UnknownOption(command, first.substr(0, first.find('=')), see);
}

CLI::Validator Number(const char* what, int64_t least, int64_t most) {
  const auto check = [=](const std::string& text) -> std::string {
    int64_t value = 0;
    if (absl::SimpleAtoi(text, &value) && value >= least && value <= most) return "";
    return absl::StrCat("invalid ", what, " \"", text, "\"; must be between ", least, " and ",
                        most);
  };
  return {check, ""};
}

CLI::Validator Port(int64_t least) { return Number("port", least, 65535); }

CLI::Validator OneOf(std::vector<std::string> words) {
  const auto check = [words = std::move(words)](const std::string& text) -> std::string {
    for (const std::string& word : words) {
      if (text == word) return "";
    }
    return absl::StrCat("invalid value \"", text,
                        "\"; supported values: ", absl::StrJoin(words, ", "));
  };
  return {check, ""};
}

CLI::Validator ReadableFile() {
  const auto check = [](const std::string& path) -> std::string {
    std::error_code ignored;
    const bool is_folder = std::filesystem::is_directory(path, ignored);
    if (!is_folder && std::ifstream(path)) return "";
    return absl::StrCat("cannot read ", path, ": ", strerror(is_folder ? EISDIR : errno));
  };
  return {check, ""};
}

}  // namespace tulle::usage
