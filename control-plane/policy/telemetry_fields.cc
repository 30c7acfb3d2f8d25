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

const Schema<TracingPolicy>& TracingFields() {
  static const Schema<TracingPolicy> schema({
      {"collector", Text(&TracingPolicy::collector, kHostPort), "the control plane",
       "Address that spans are sent to, by OTLP over gRPC without TLS."},
      {"sampling", Percentage(&TracingPolicy::sampling), "1",
       "Share of the traces that begin here and are recorded."},
  });
  return schema;
}

const Schema<TelemetryPolicy>& AccessLogFields() {
  static const Schema<TelemetryPolicy> schema({
      {"format",
       Choice(&TelemetryPolicy::access_log, {{"istio", AccessLogForm::kIstio},
                                             {"json", AccessLogForm::kJson},
                                             {"off", AccessLogForm::kOff}}),
       kRequired,
       "istio: one line of text for each request, as in Istio. json: one JSON object for each "
       "request. off: failures only, on stderr."},
  });
  return schema;
}

}  // namespace

const Schema<TelemetryPolicy>& TelemetryPolicyFields() {
  static const Schema<TelemetryPolicy> schema({
      {"targetRef", Object(&TelemetryPolicy::target, AnyTarget), kRequired,
       "The Services whose sidecars the policy is for."},
      {"tracing", Object(&TelemetryPolicy::tracing, TracingFields), kNoDefault,
       "Distributed tracing."},
      {"accessLog", Part(AccessLogFields), "istio with `tulle-control --access-log-file`, else off",
       "Log of requests. It goes to the file of `--access-log-file`, else to /dev/stdout."},
  });
  return schema;
}

}  // namespace tulle::policy
