#include "control-plane/policy/diagnosis.h"

namespace tulle::policy {

void Diagnosis::Add(const YAML::Mark& at, std::string field, std::string message,
                    std::string hint) {
  if (is_full()) return;
  Problem problem{file_, 0, 0, std::move(field), std::move(message), std::move(hint)};
  if (!at.is_null()) {
    problem.line = at.line + 1;
    problem.column = at.column + 1;
  }
  problems_.push_back(std::move(problem));
}

}  // namespace tulle::policy
