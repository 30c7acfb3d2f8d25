#include "control-plane/policy/problem.h"

namespace tulle::policy {

std::string ToText(const Problem& problem) {
  std::string text = problem.file.empty() ? "input" : problem.file;
  if (problem.line > 0) text += ":" + std::to_string(problem.line);
  if (problem.column > 0) text += ":" + std::to_string(problem.column);
  text += ": ";
  if (!problem.field.empty()) text += problem.field + ": ";
  text += problem.message;
  if (!problem.hint.empty()) text += "; " + problem.hint;
  return text;
}

std::string ToText(const Problems& problems) {
  std::string text;
  for (const Problem& problem : problems) text += ToText(problem) + "\n";
  return text;
}

}  // namespace tulle::policy
