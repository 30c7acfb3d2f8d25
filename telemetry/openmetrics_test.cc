#include "telemetry/openmetrics.h"

#include <gtest/gtest.h>

#include "telemetry/families.h"
#include "telemetry/prometheus.h"

namespace tulle::telemetry {
namespace {

TEST(OpenMetrics, FamiliesOfCountersHaveNoSuffixAndThePageHasAnEnd) {
  Registry registry;
  registry.CounterRow(kSpansSent).Add(3);
  registry.GaugeRow(kConfigWarnings).Set(2);
  const Registry* all[] = {&registry};
  EXPECT_EQ(OpenMetricsOf(PrometheusText(Collect(all))),
            "# HELP tulle_config_warnings Fields of the current configuration that have no "
            "effect.\n"
            "# TYPE tulle_config_warnings gauge\n"
            "tulle_config_warnings 2\n"
            "# HELP tulle_spans_sent Spans accepted by a collector.\n"
            "# TYPE tulle_spans_sent counter\n"
            "tulle_spans_sent_total 3\n"
            "# EOF\n");
}

TEST(OpenMetrics, BucketsHaveTheirExemplars) {
  constexpr double kBounds[] = {1};
  const FamilySpec spec{"call_seconds", "Calls.", MetricKind::kHistogram, {}, kBounds};
  Registry registry;
  registry.HistogramRow(spec).Record(Exemplar{0xabc, 0xdef, 0x12, 0.75, 1700000000012});
  registry.HistogramRow(spec).Record(2);
  const Registry* all[] = {&registry};
  EXPECT_EQ(OpenMetricsOf(PrometheusText(Collect(all), true)),
            "# HELP call_seconds Calls.\n"
            "# TYPE call_seconds histogram\n"
            "call_seconds_bucket{le=\"1\"} 1 # {trace_id=\"0000000000000abc0000000000000def\","
            "span_id=\"0000000000000012\"} 0.75 1700000000.012\n"
            "call_seconds_bucket{le=\"+Inf\"} 2\n"
            "call_seconds_sum 2.75\n"
            "call_seconds_count 2\n"
            "# EOF\n");
  EXPECT_EQ(PrometheusText(Collect(all)).find("trace_id"), std::string::npos);
}

TEST(OpenMetrics, ValuesOfLabelsStayAsTheyAre) {
  constexpr char kSample[] = "a_total{b=\"# TYPE a_total x_total \"} 1\n";
  EXPECT_EQ(OpenMetricsOf(kSample), std::string(kSample) + "# EOF\n");
}

TEST(OpenMetrics, AnEmptyPageHasAnEndToo) {
  EXPECT_EQ(OpenMetricsOf(""), "# EOF\n");
  EXPECT_EQ(OpenMetricsOf("# TYPE a_total"), "# TYPE a# EOF\n");
}

}  // namespace
}  // namespace tulle::telemetry
