// OpenMetrics 1.0, which Prometheus asks for first.
#pragma once

#include <string>
#include <string_view>

namespace tulle::telemetry {

inline constexpr std::string_view kOpenMetricsType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// The same samples as a page in Prometheus' text format whose counters, and nothing else, end with
// _total; with their exemplars. In OpenMetrics the family of such a counter is named without it,
// and a last line proves that the page is whole. Pure.
std::string OpenMetricsOf(std::string_view prometheus_text);

}  // namespace tulle::telemetry
