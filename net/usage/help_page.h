// Formats help: descriptions are wrapped at words and end with the default in brackets; options
// come without CLI11's own remarks on their values.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace tulle::usage {

inline constexpr size_t kHelpWidth = 80;

class HelpPage : public CLI::Formatter {
 public:
  HelpPage() { column_width(28); }

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
  std::string make_subcommand(const CLI::App* command) const override;

 private:
  std::string Row(const std::string& name, const std::string& description) const;
};

}  // namespace tulle::usage
