#include "sidecar/process/app_probe_spec.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace tulle::sidecar {
namespace {

using ProbeJson = nlohmann::json;

constexpr size_t kMostProbes = 1024;
constexpr size_t kMostHeaders = 32;
constexpr size_t kLongestText = 4096;
constexpr int64_t kMostSeconds = 300;

absl::Status InvalidMember(const std::string& path, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("invalid probe ", path, ": ", absl::string_view(what.data(), what.size())));
}

// Of one line, for a request: anything else could add a header to it.
bool IsPrintable(std::string_view text, bool with_blanks) {
  const auto is_allowed = [&](unsigned char c) {
    return (c > 0x20 && c != 0x7f) || (with_blanks && (c == ' ' || c == '\t'));
  };
  return text.size() <= kLongestText && std::all_of(text.begin(), text.end(), is_allowed);
}

bool IsToken(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && text.size() <= kLongestText &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  kOthers.find(c) != kOthers.npos;
         });
}

std::string StringOf(const ProbeJson& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() || !found->is_string() ? "" : found->get<std::string>();
}

int64_t IntegerOf(const ProbeJson& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() || !found->is_number_integer() ? 0 : found->get<int64_t>();
}

// The Host of a request is no header of its own.
absl::Status ReadHeaders(const std::string& path, const ProbeJson& action,
                         upstream::HealthCheckSpec& check) {
  check.headers.emplace_back("user-agent", "kube-probe/1 (tulle-sidecar)");
  const auto headers = action.find("httpHeaders");
  if (headers == action.end()) return absl::OkStatus();
  if (!headers->is_array() || headers->size() > kMostHeaders)
    return InvalidMember(path, "httpHeaders must be an array of at most 32");
  for (const ProbeJson& header : *headers) {
    const std::string name = header.is_object() ? StringOf(header, "name") : "";
    const std::string value = header.is_object() ? StringOf(header, "value") : "";
    if (!IsToken(name) || !IsPrintable(value, true))
      return InvalidMember(path, "httpHeaders must have a valid name and value");
    if (absl::EqualsIgnoreCase(name, "host")) {
      check.host = value;
    } else {
      check.headers.emplace_back(absl::AsciiStrToLower(name), value);
    }
  }
  return absl::OkStatus();
}

absl::Status ReadHttp(const std::string& path, const ProbeJson& action, AppProbeSpec& spec) {
  spec.check.kind = upstream::HealthCheckSpec::Kind::kHttp;
  spec.check.expected_statuses = {{200, 400}};
  spec.check.path = StringOf(action, "path");
  if (!spec.check.path.starts_with('/')) spec.check.path = absl::StrCat("/", spec.check.path);
  if (!IsPrintable(spec.check.path, false))
    return InvalidMember(path, "httpGet.path must have no blanks and at most 4096 bytes");
  spec.is_tls = StringOf(action, "scheme") == "HTTPS";
  return ReadHeaders(path, action, spec.check);
}

absl::StatusOr<AppProbeSpec> ReadProbe(const std::string& path, const ProbeJson& probe) {
  AppProbeSpec spec;
  spec.check.reuse_connection = false;
  const int64_t seconds = probe.is_object() ? IntegerOf(probe, "timeoutSeconds") : 0;
  spec.check.timeout = std::chrono::seconds(std::clamp<int64_t>(seconds, 1, kMostSeconds));
  if (!probe.is_object() || probe.size() != (probe.contains("timeoutSeconds") ? 2 : 1))
    return InvalidMember(path, "must have one of httpGet, tcpSocket and grpc");
  for (const char* kind : {"httpGet", "tcpSocket", "grpc"}) {
    const auto action = probe.find(kind);
    if (action == probe.end() || !action->is_object()) continue;
    const int64_t port = IntegerOf(*action, "port");
    if (port < 1 || port > 65535) return InvalidMember(path, "port must be from 1 to 65535");
    spec.port = static_cast<uint16_t>(port);
    spec.check.host = absl::StrCat("localhost:", port);
    if (*kind == 'h') {
      const absl::Status read = ReadHttp(path, *action, spec);
      return read.ok() ? absl::StatusOr<AppProbeSpec>(std::move(spec)) : read;
    }
    spec.check.kind = *kind == 't' ? upstream::HealthCheckSpec::Kind::kTcp
                                   : upstream::HealthCheckSpec::Kind::kGrpc;
    spec.check.service = StringOf(*action, "service");
    return spec;
  }
  return InvalidMember(path, "must have one of httpGet, tcpSocket and grpc");
}

}  // namespace

absl::StatusOr<std::map<std::string, AppProbeSpec>> ParseAppProbes(std::string_view json) {
  std::map<std::string, AppProbeSpec> specs;
  if (json.empty()) return specs;
  const ProbeJson all = ProbeJson::parse(json, nullptr, false);
  if (!all.is_object() || all.size() > kMostProbes)
    return absl::InvalidArgumentError("must be a JSON object of at most 1024 probes by path");
  for (const auto& [path, probe] : all.items()) {
    if (!path.starts_with("/app-health/") || !IsPrintable(path, false))
      return absl::InvalidArgumentError("the path of a probe must begin with /app-health/");
    auto spec = ReadProbe(path, probe);
    if (!spec.ok()) return spec.status();
    specs[path] = *std::move(spec);
  }
  return specs;
}

}  // namespace tulle::sidecar
