#include "k8s/inject/wishes.h"

#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "certs/workload_labels.h"
#include "net/base/socket_address.h"
#include "net/usage/suggestion.h"

namespace tulle::inject {
namespace {

constexpr size_t kLongestValue = 1024;
constexpr size_t kMostElements = 64;
constexpr size_t kMostWarnings = 10;
constexpr size_t kLongestQuantity = 16;

using Check = bool (*)(std::string_view element);

bool IsPort(std::string_view text) {
  uint32_t port = 0;
  const bool plain = std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  return plain && text.size() <= 5 &&
         absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &port) && port >= 1 &&
         port <= 65535;
}

bool IsCidr(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = SocketAddress::Parse(text.substr(0, slash), 0);
  if (!address || slash == text.npos) return address.has_value();
  uint32_t bits = 0;
  const std::string_view number = text.substr(slash + 1);
  return number.size() <= 3 && std::all_of(number.begin(), number.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(absl::string_view(number.data(), number.size()), &bits) &&
         bits <= (address->is_v6() ? 128u : 32u);
}

bool IsLevel(std::string_view text) {
  const std::string_view levels[] = {"trace", "debug", "info", "warning", "error", "off"};
  return std::find(std::begin(levels), std::end(levels), text) != std::end(levels);
}

bool IsSwitch(std::string_view text) { return text == "enabled" || text == "disabled"; }

// As resource.Quantity of Kubernetes, without signs and exponents.
bool IsQuantity(std::string_view text) {
  const size_t digits = text.find_first_not_of("0123456789.");
  const std::string_view number = text.substr(0, digits);
  const std::string_view unit = digits == text.npos ? "" : text.substr(digits);
  const std::string_view units[] = {"", "m", "k", "M", "G", "Ki", "Mi", "Gi"};
  return text.size() <= kLongestQuantity && !number.empty() && number.front() != '.' &&
         number.back() != '.' && std::count(number.begin(), number.end(), '.') <= 1 &&
         std::find(std::begin(units), std::end(units), unit) != std::end(units);
}

struct Row {
  std::string_view name;  // without the prefix
  std::string Wishes::*value;
  bool is_list;
  Check check;
  std::string_view expected;
};

constexpr char kPorts[] = "must be ports from 1 to 65535, separated by commas";
constexpr char kQuantity[] = "must be a quantity, like 100m or 64Mi";

const Row kRows[] = {
    {"skip-inbound-ports", &Wishes::skip_inbound_ports, true, IsPort, kPorts},
    {"skip-outbound-ports", &Wishes::skip_outbound_ports, true, IsPort, kPorts},
    {"skip-outbound-cidrs", &Wishes::skip_outbound_cidrs, true, IsCidr,
     "must be addresses or CIDRs, separated by commas"},
    {"opaque-ports", &Wishes::opaque_ports, true, IsPort, kPorts},
    {"log-level", &Wishes::log_level, false, IsLevel,
     "must be trace, debug, info, warning, error or off"},
    {"cause-header", &Wishes::cause_header, false, IsSwitch, "must be enabled or disabled"},
    {"proxy-cpu", &Wishes::cpu, false, IsQuantity, kQuantity},
    {"proxy-memory", &Wishes::memory, false, IsQuantity, kQuantity},
    {"proxy-cpu-limit", &Wishes::cpu_limit, false, IsQuantity, kQuantity},
    {"proxy-memory-limit", &Wishes::memory_limit, false, IsQuantity, kQuantity},
};

absl::Status Invalid(std::string_view name, std::string_view value, std::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("annotation ", absl::string_view(name.data(), name.size()), ": invalid value ",
                   Quoted(value), ": ", absl::string_view(expected.data(), expected.size())));
}

// The value without blanks.
absl::StatusOr<std::string> Read(const Row& row, std::string_view name, const std::string& text) {
  if (text.size() > kLongestValue)
    return Invalid(name, text, absl::StrCat("must have at most ", kLongestValue, " bytes"));
  std::vector<std::string> elements = {text};
  if (row.is_list) elements = absl::StrSplit(text, ',');
  if (elements.size() > kMostElements)
    return Invalid(name, text, absl::StrCat("must have at most ", kMostElements, " elements"));
  for (std::string& element : elements) {
    absl::StripAsciiWhitespace(&element);
    if (!row.check(element)) return Invalid(name, text, row.expected);
  }
  return absl::StrJoin(elements, ",");
}

// Set by the injection itself.
bool IsOwn(std::string_view name) {
  return name == kAccountAnnotation || name == kRedirectionAnnotation;
}

// KEY=VALUE of those that the sidecar takes as --label. Kubernetes refuses the pod for others than
// label values.
std::vector<std::string> LabelsOf(const Json& metadata) {
  std::vector<std::string> found;
  for (const char* key : certs::kWorkloadLabels) {
    const Json* value = Member(metadata, {"labels", key});
    if (value == nullptr || !value->is_string()) continue;
    std::string text = value->get<std::string>();
    if (certs::IsLabelValue(text)) found.push_back(absl::StrCat(key, "=", text));
  }
  return found;
}

std::string UnknownAnnotation(const std::string& name) {
  const std::vector<std::string> known = AnnotationNames();
  return absl::StrCat("annotation ", Quoted(name), " is unknown and ignored",
                      name.size() > 64 ? "" : "; ",
                      name.size() > 64 ? "" : usage::DidYouMean(name, known, "check its spelling"));
}

}  // namespace

std::vector<std::string> AnnotationNames() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.push_back(absl::StrCat("tulle.dev/", std::string(row.name)));
  return names;
}

absl::StatusOr<Wishes> ReadWishes(const Json& metadata, const Settings& settings) {
  Wishes wishes;
  wishes.log_level = settings.log_level;
  wishes.cpu = settings.cpu;
  wishes.memory = settings.memory;
  wishes.cpu_limit = settings.cpu_limit;
  wishes.memory_limit = settings.memory_limit;
  wishes.labels = LabelsOf(metadata);
  const Json* annotations = Member(metadata, "annotations");
  if (annotations == nullptr) return wishes;
  if (!annotations->is_object())
    return absl::InvalidArgumentError("metadata.annotations must be an object");
  for (const auto& [name, value] : annotations->items()) {
    if (!name.starts_with(kPrefix) || IsOwn(name)) continue;
    const std::string_view short_name = std::string_view(name).substr(kPrefix.size());
    const auto row =
        std::find_if(std::begin(kRows), std::end(kRows),
                     [short_name](const Row& each) { return short_name == each.name; });
    if (row == std::end(kRows)) {
      if (wishes.warnings.size() < kMostWarnings)
        wishes.warnings.push_back(UnknownAnnotation(name));
      continue;
    }
    if (!value.is_string()) return Invalid(name, "", "must be a string");
    auto read = Read(*row, name, value.get<std::string>());
    if (!read.ok()) return read.status();
    wishes.*(row->value) = *std::move(read);
  }
  return wishes;
}

std::vector<std::string> RedirectionArguments(const Wishes& wishes) {
  std::vector<std::string> arguments;
  const auto add = [&arguments](const char* flag, const std::string& value) {
    if (!value.empty()) arguments.push_back(absl::StrCat(flag, "=", value));
  };
  add("--exclude-inbound-ports", wishes.skip_inbound_ports);
  add("--exclude-outbound-ports", wishes.skip_outbound_ports);
  add("--exclude-outbound-ranges", wishes.skip_outbound_cidrs);
  return arguments;
}

}  // namespace tulle::inject
