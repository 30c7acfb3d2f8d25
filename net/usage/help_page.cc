#include "net/usage/help_page.h"

#include <string_view>
#include <utility>
#include <vector>

#include "net/usage/wrap.h"

namespace tulle::usage {

std::string HelpPage::Row(const std::string& name, const std::string& description) const {
  const std::string indent(get_column_width(), ' ');
  std::string row = "  " + name;
  bool is_beside = row.size() < indent.size();
  for (const std::string& line : Wrapped(description, kHelpWidth - indent.size())) {
    if (is_beside) {
      row.resize(indent.size(), ' ');
    } else {
      row += "\n" + indent;
    }
    row += line;
    is_beside = false;
  }
  return row + "\n";
}

std::string HelpPage::make_help(const CLI::App* app, std::string name,
                                CLI::AppFormatMode mode) const {
  std::string text = Formatter::make_help(app, std::move(name), mode);
  // CLI11 separates the last group of options from one that is hidden.
  constexpr std::string_view kTwoEmptyLines = "\n\n\n";
  for (size_t at = 0; (at = text.find(kTwoEmptyLines, at)) != std::string::npos;) text.erase(at, 1);
  return text;
}

std::string HelpPage::make_option(const CLI::Option* option, bool is_positional) const {
  return Row(make_option_name(option, is_positional) + make_option_opts(option),
             make_option_desc(option));
}

std::string HelpPage::make_option_opts(const CLI::Option* option) const {
  std::string text;
  if (option->get_type_size() == 0) return text;
  if (!option->get_type_name().empty()) text += " " + option->get_type_name();
  if (option->get_expected_max() == CLI::detail::expected_max_vector_size) text += " ...";
  if (option->get_required()) text += " (required)";
  return text;
}

// Only where CLI11 captured the default; that of a list is in brackets already.
std::string HelpPage::make_option_desc(const CLI::Option* option) const {
  const std::string text = option->get_default_str();
  if (option->get_type_size() == 0 || text.empty() || text == "[]")
    return option->get_description();
  return option->get_description() + " " + (text.front() == '[' ? text : "[" + text + "]");
}

// Of a long description the first line.
std::string HelpPage::make_subcommand(const CLI::App* command) const {
  const std::string text = command->get_description();
  return Row(command->get_display_name(true), text.substr(0, text.find('\n')));
}

}  // namespace tulle::usage
