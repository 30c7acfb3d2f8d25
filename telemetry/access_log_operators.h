#pragma once

#include <string_view>

#include "telemetry/log_template.h"

namespace tulle::telemetry {

// The kind of argument in the parentheses after an operator's name.
enum class LogArgument : uint8_t { kNone, kHeader, kTime, kAnything };

struct LogOperatorFacts {
  std::string_view name;
  LogOperator op;
  LogArgument argument = LogArgument::kNone;
  bool number = false;  // a JSON number when it stands alone
};

// Null: unknown operator.
const LogOperatorFacts* FindLogOperator(std::string_view name);
bool IsNumber(LogOperator op);

}  // namespace tulle::telemetry
