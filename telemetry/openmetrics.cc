#include "telemetry/openmetrics.h"

namespace tulle::telemetry {
namespace {

constexpr std::string_view kTotal = "_total";

// Of "# HELP NAME text" and "# TYPE NAME kind"; empty: the line is neither.
std::string_view FamilyOf(std::string_view line) {
  constexpr std::string_view kHelp = "# HELP ";
  if (!line.starts_with(kHelp) && !line.starts_with("# TYPE ")) return {};
  line.remove_prefix(kHelp.size());
  return line.substr(0, line.find(' '));
}

void AppendLine(std::string_view line, std::string* out) {
  const std::string_view family = FamilyOf(line);
  if (family.ends_with(kTotal)) {
    const auto end = static_cast<size_t>(family.data() + family.size() - line.data());
    out->append(line.substr(0, end - kTotal.size()));
    line.remove_prefix(end);
  }
  out->append(line);
}

}  // namespace

std::string OpenMetricsOf(std::string_view prometheus_text) {
  std::string out;
  out.reserve(prometheus_text.size() + 8);
  while (!prometheus_text.empty()) {
    const size_t end = prometheus_text.find('\n');
    const size_t size = end == prometheus_text.npos ? prometheus_text.size() : end + 1;
    AppendLine(prometheus_text.substr(0, size), &out);
    prometheus_text.remove_prefix(size);
  }
  out += "# EOF\n";
  return out;
}

}  // namespace tulle::telemetry
