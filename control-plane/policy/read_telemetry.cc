#include <algorithm>
#include <cstdlib>

#include "control-plane/policy/names.h"
#include "control-plane/policy/spec_readers.h"

namespace tulle::policy {
namespace {

bool IsHostAndPort(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size()) return false;
  const std::string port = text.substr(colon + 1);
  const bool digits =
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || port.size() > 5 || std::atoi(port.c_str()) < 1 || std::atoi(port.c_str()) > 65535)
    return false;
  const std::string host = text.substr(0, colon);
  const bool v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return v6 ? IsIpAddress(host.substr(1, host.size() - 2)) : IsDnsName(host);
}

void CheckCollector(ObjectReader& tracing, const std::string& collector) {
  if (!IsHostAndPort(collector)) {
    tracing.Complain("collector", "is no HOST:PORT",
                     "write the address of OTLP over gRPC, like 10.0.0.7:4317, or leave it out "
                     "for the control plane");
  } else if (IsMeshName(collector.substr(0, collector.rfind(':')))) {
    tracing.Complain("collector", "is a name of the mesh itself, which sidecars ask no DNS for",
                     "write the collector's IP address, or a name from outside the mesh");
  }
}

std::optional<double> ReadPercent(ObjectReader& reader, std::string_view key) {
  const std::optional<std::string> text = reader.Text(key);
  if (!text) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text->c_str(), &end);
  if (text->empty() || *end != '\0' || !(value >= 0 && value <= 100)) {
    reader.Complain(key, "is no percentage", "write a number from 0 to 100, like 1 or 0.1");
    return std::nullopt;
  }
  return value;
}

}  // namespace

TelemetryPolicy ReadTelemetryPolicy(ObjectReader& spec, const std::string& ns) {
  TelemetryPolicy policy;
  policy.target =
      ReadTarget(spec, ns, {TargetKind::kService, TargetKind::kNamespace, TargetKind::kMesh});
  spec.Object("tracing", [&](ObjectReader& tracing) {
    policy.tracing.collector = tracing.Text("collector");
    if (policy.tracing.collector) CheckCollector(tracing, *policy.tracing.collector);
    policy.tracing.sampling = ReadPercent(tracing, "sampling");
  });
  spec.Object("accessLog", [&](ObjectReader& log) {
    policy.access_log = log.Choice<AccessLogForm>("format", {{"istio", AccessLogForm::kIstio},
                                                             {"json", AccessLogForm::kJson},
                                                             {"off", AccessLogForm::kOff}});
    if (!log.Has("format")) log.Complain("format", "is missing", "write istio, json or off");
  });
  return policy;
}

}  // namespace tulle::policy
