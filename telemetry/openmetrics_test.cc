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
