#pragma once

#include <span>
#include <string>
#include <string_view>

#include "telemetry/metrics.h"

namespace tulle::telemetry {

// Content-Type of the text below.
inline constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

// Prometheus' text format 0.0.4 of a result of Collect. Pure. `with_exemplars`: for OpenMetricsOf
// alone, since that format has none.
std::string PrometheusText(std::span<const FamilySamples> families, bool with_exemplars = false);

// One "name{label="value"} value" per line without comments, histograms as count and sum: for
// people.
std::string PlainText(std::span<const FamilySamples> families);

}  // namespace tulle::telemetry
