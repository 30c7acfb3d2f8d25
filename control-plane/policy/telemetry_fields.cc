#include <cstdlib>

#include "control-plane/policy/references.h"
#include "control-plane/policy/tables.h"

namespace tulle::policy {
namespace {

// A whole number is written as one.
Json NumberJson(double number) {
  const auto whole = static_cast<int64_t>(number);
  return static_cast<double>(whole) == number ? Json(whole) : Json(number);
}

Value<TracingPolicy> Percentage(std::optional<double> TracingPolicy::*member) {
  return {{.kind = FieldKind::kPercent},
          [=](ObjectReader& reader, std::string_view key, TracingPolicy& tracing) {
            const std::optional<std::string> text = reader.Text(key);
            if (!text) return;
            char* end = nullptr;
            const double value = std::strtod(text->c_str(), &end);
            if (text->empty() || *end != '\0' || !(value >= 0 && value <= 100)) {
              return reader.Complain(key, "invalid percentage " + Quoted(*text),
                                     "must be a number between 0 and 100, like 1 or 0.1");
            }
            tracing.*member = value;
          },
          [=](const TracingPolicy& tracing) {
            return tracing.*member ? NumberJson(*(tracing.*member)) : Json();
          }};
}

constexpr uint32_t kMostTraces = 1000000;

// Unlike Flag, false is written too: unset is something else.
Value<TracingPolicy> AlwaysOnError() {
  Value<TracingPolicy> value =
      Choice(&TracingPolicy::always_on_error, {{"true", true}, {"false", false}});
  value.type = {.kind = FieldKind::kBoolean};
  value.write = [](const TracingPolicy& tracing) {
    return tracing.always_on_error ? Json(*tracing.always_on_error) : Json();
  };
  return value;
}

bool HasPath(const std::optional<std::string>& collector) {
  return collector && collector->find('/') != std::string::npos;
}

void FinishTracing(ObjectReader& reader, TracingPolicy& tracing) {
  const bool is_grpc = tracing.protocol.value_or(TraceProtocol::kOtlp) == TraceProtocol::kOtlp;
  if (!is_grpc && !tracing.collector) {
    reader.Complain("protocol", "the control plane understands otlp alone",
                    "set collector, or remove protocol");
  }
  if (is_grpc && HasPath(tracing.collector)) {
    reader.Complain("collector", "a path is for protocol otlp-http or zipkin",
                    "remove the path, or set protocol");
  }
}

const Schema<TracingPolicy>& TracingFields() {
  static const Schema<TracingPolicy> schema(
      {{"collector", Text(&TracingPolicy::collector, kCollector), "the control plane",
        "Address that spans are sent to, without TLS. A path may follow unless the protocol is "
        "otlp; "
        "default /v1/traces for otlp-http, /api/v2/spans for zipkin."},
       {"protocol",
        Choice(&TracingPolicy::protocol, {{"otlp", TraceProtocol::kOtlp},
                                          {"otlp-http", TraceProtocol::kOtlpHttp},
                                          {"zipkin", TraceProtocol::kZipkin}}),
        "otlp",
        "How they are sent. otlp: OTLP over gRPC, usually port 4317. otlp-http: OTLP over HTTP, "
        "usually port 4318. zipkin: JSON of Zipkin v2, usually port 9411."},
       {"sampling", Percentage(&TracingPolicy::sampling), "1",
        "Share of the traces that begin here and are recorded."},
       {"rateLimit", Integer(&TracingPolicy::rate_limit, 1, kMostTraces), "no limit",
        "At most so many traces a second begin in each worker of a sidecar; those that `sampling` "
        "has chosen beyond are not recorded."},
       {"alwaysOnError", AlwaysOnError(), "true, unless sampling is 0",
        "Requests that are not recorded are reported when they failed, at most 10 a second and "
        "worker. Set to true with sampling 0: failures alone."},
       {"slowerThan", Duration(&TracingPolicy::slower_than, kNotZero), "off",
        "Requests that are not recorded are reported when they took longer; they count among the "
        "same 10."}},
      FinishTracing,
      {{"!has(self.protocol) || self.protocol == 'otlp' || has(self.collector)",
        "protocol is for a collector: the control plane understands otlp alone"},
       {"!has(self.collector) || !self.collector.contains('/') || "
        "(has(self.protocol) && self.protocol != 'otlp')",
        "a path is for protocol otlp-http or zipkin"}});
  return schema;
}

void FinishAccessLog(ObjectReader& reader, AccessLogPolicy& log) {
  const bool is_grpc = log.protocol.value_or(LogProtocol::kOtlp) == LogProtocol::kOtlp;
  if (log.collector && log.form == AccessLogForm::kOff) {
    reader.Complain("collector", "a log that is off goes nowhere",
                    "remove collector, or set format to istio or json");
  }
  if (log.protocol && !log.collector) {
    reader.Complain("protocol", "it is for a collector: a file has none",
                    "set collector, or remove protocol");
  }
  if (is_grpc && HasPath(log.collector)) {
    reader.Complain("collector", "a path is for protocol otlp-http",
                    "remove the path, or set protocol");
  }
}

const Schema<AccessLogPolicy>& AccessLogFields() {
  static const Schema<AccessLogPolicy> schema(
      {{"format",
        Choice(&AccessLogPolicy::form, {{"istio", AccessLogForm::kIstio},
                                        {"json", AccessLogForm::kJson},
                                        {"off", AccessLogForm::kOff}}),
        kRequired,
        "istio: one line of text for each request, as in Istio. json: one JSON object for each "
        "request; for a collector, attributes of those names. off: failures only, on stderr."},
       {"collector", Text(&AccessLogPolicy::collector, kCollector), "a file",
        "Address that log records are sent to instead of a file, without TLS. A path may follow "
        "with protocol otlp-http; default /v1/logs."},
       {"protocol",
        Choice(&AccessLogPolicy::protocol,
               {{"otlp", LogProtocol::kOtlp}, {"otlp-http", LogProtocol::kOtlpHttp}}),
        "otlp",
        "How they are sent. otlp: OTLP over gRPC, usually port 4317. otlp-http: OTLP over HTTP, "
        "usually port 4318."}},
      FinishAccessLog,
      {{"!has(self.collector) || self.format != 'off'", "a log that is off goes nowhere"},
       {"!has(self.protocol) || has(self.collector)",
        "protocol is for a collector: a file has none"},
       {"!has(self.collector) || !self.collector.contains('/') || "
        "(has(self.protocol) && self.protocol != 'otlp')",
        "a path is for protocol otlp-http"}});
  return schema;
}

}  // namespace

const Schema<TelemetryPolicy>& TelemetryPolicyFields() {
  static const Schema<TelemetryPolicy> schema({
      {"targetRef", Object(&TelemetryPolicy::target, AnyTarget), kRequired,
       "The Services whose sidecars the policy is for."},
      {"tracing", Object(&TelemetryPolicy::tracing, TracingFields), kNoDefault,
       "Distributed tracing."},
      {"accessLog", Object(&TelemetryPolicy::access_log, AccessLogFields),
       "istio with `tulle-control --access-log-file`, else off",
       "Log of requests. It goes to its collector, else to the file of `--access-log-file`, else "
       "to "
       "/dev/stdout."},
  });
  return schema;
}

}  // namespace tulle::policy
