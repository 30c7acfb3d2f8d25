#include "telemetry/metrics.h"

#include <gtest/gtest.h>

#include <thread>

#include "telemetry/families.h"
#include "telemetry/prometheus.h"

namespace tulle::telemetry {
namespace {

constexpr std::string_view kLabels[] = {"host", "code"};
constexpr double kBounds[] = {1, 2.5};
const FamilySpec kCalls{"calls_total", "Calls\\ of\nall.", MetricKind::kCounter, kLabels, {}};
const FamilySpec kSizes{"size_bytes", "Sizes.", MetricKind::kHistogram, {}, kBounds};
const FamilySpec kUp{"up", "Up.", MetricKind::kGauge, {}, {}};

void Count(Registry& registry, std::string_view host, std::string_view code, uint64_t amount = 1) {
  const std::string_view values[] = {host, code};
  registry.CounterRow(kCalls, values).Add(amount);
}

TEST(Metrics, EqualRowsOfAllRegistriesAreAddedUp) {
  Registry one, two;
  Count(one, "a", "200", 2);
  Count(two, "a", "200", 3);
  Count(two, "b", "500");
  one.HistogramRow(kSizes).Record(1);
  two.HistogramRow(kSizes).Record(2);
  two.HistogramRow(kSizes).Record(9.5);
  one.GaugeRow(kUp).Set(1);
  const Registry* both[] = {&one, &two};
  EXPECT_EQ(PrometheusText(Collect(both)),
            "# HELP calls_total Calls\\\\ of\\nall.\n"
            "# TYPE calls_total counter\n"
            "calls_total{host=\"a\",code=\"200\"} 5\n"
            "calls_total{host=\"b\",code=\"500\"} 1\n"
            "# HELP size_bytes Sizes.\n"
            "# TYPE size_bytes histogram\n"
            "size_bytes_bucket{le=\"1\"} 1\n"
            "size_bytes_bucket{le=\"2.5\"} 2\n"
            "size_bytes_bucket{le=\"+Inf\"} 3\n"
            "size_bytes_sum 12.5\n"
            "size_bytes_count 3\n"
            "# HELP up Up.\n"
            "# TYPE up gauge\n"
            "up 1\n");
  EXPECT_EQ(PlainText(Collect(both)),
            "calls_total{host=\"a\",code=\"200\"} 5\n"
            "calls_total{host=\"b\",code=\"500\"} 1\n"
            "size_bytes_sum 12.5\n"
            "size_bytes_count 3\n"
            "up 1\n");
}

TEST(Metrics, LabelValuesAreEscapedAndUnknownWhenEmpty) {
  Registry registry;
  Count(registry, "a\"b\\c\nd", "");
  const Registry* all[] = {&registry};
  EXPECT_NE(PrometheusText(Collect(all))
                .find("calls_total{host=\"a\\\"b\\\\c\\nd\",code=\"unknown\"} 1\n"),
            std::string::npos);
}

TEST(Metrics, Fault85_RandomLabelValuesEndInTheRowOther) {
  Registry registry(10);
  for (int i = 0; i < 1000; ++i) Count(registry, "host" + std::to_string(i), "200");
  Count(registry, "host3", "200");  // has its row
  const Registry* all[] = {&registry};
  const std::vector<FamilySamples> families = Collect(all);
  ASSERT_EQ(families.size(), 1);
  EXPECT_EQ(families[0].samples.size(), 11);
  uint64_t sum = 0;
  for (const Sample& sample : families[0].samples) {
    sum += sample.count;
    const std::string& host = sample.labels[0];
    EXPECT_EQ(sample.count, host == "other" ? 990 : host == "host3" ? 2 : 1) << host;
  }
  EXPECT_EQ(sum, 1001);
}

TEST(Metrics, Fault85_LongLabelValuesAreCut) {
  Registry registry;
  Count(registry, std::string(100000, 'x'), "200");
  const Registry* all[] = {&registry};
  EXPECT_EQ(Collect(all)[0].samples[0].labels[0].size(), Registry::kLongestValue);
}

TEST(Metrics, CellsStayWhereTheyAre) {
  Registry registry;
  const std::string_view values[] = {"a", "200"};
  Counter& first = registry.CounterRow(kCalls, values);
  for (int i = 0; i < 1000; ++i) Count(registry, std::to_string(i), "1");
  EXPECT_EQ(&registry.CounterRow(kCalls, values), &first);
}

TEST(Metrics, ForgottenRowsAreNotShown) {
  Registry registry;
  registry.GaugeRow(kUp).Set(1);
  registry.Forget(kUp);
  const Registry* all[] = {&registry};
  EXPECT_EQ(PrometheusText(Collect(all)), "");
}

TEST(Metrics, ScrapedWhileWritten) {
  Registry registry;
  std::thread writer([&] {
    for (int i = 0; i < 20000; ++i) Count(registry, std::to_string(i % 50), "200");
  });
  const Registry* all[] = {&registry};
  for (int i = 0; i < 50; ++i) PrometheusText(Collect(all));
  writer.join();
  uint64_t sum = 0;
  for (const FamilySamples& family : Collect(all)) {
    for (const Sample& sample : family.samples) sum += sample.count;
  }
  EXPECT_EQ(sum, 20000);
}

TEST(Families, NamesFollowPrometheusRules) {
  for (const FamilySpec* spec : {&kIstioRequests,
                                 &kIstioRequestDuration,
                                 &kIstioRequestBytes,
                                 &kIstioResponseBytes,
                                 &kIstioTcpSent,
                                 &kIstioTcpReceived,
                                 &kIstioTcpOpened,
                                 &kIstioTcpClosed,
                                 &kHttpRequests,
                                 &kHttpRequestDuration,
                                 &kBuild,
                                 &kXdsConnected,
                                 &kXdsUpdates,
                                 &kCertificateExpiry,
                                 &kConfigWarnings,
                                 &kUpstreamLimit,
                                 &kBreakerState,
                                 &kAccessLogDropped,
                                 &kDownstreamAccepted,
                                 &kDownstreamClosed,
                                 &kDownstreamRefused,
                                 &kDownstreamBroken,
                                 &kWorkerMemory}) {
    EXPECT_EQ(spec->name.ends_with("_total"), spec->kind == MetricKind::kCounter) << spec->name;
    EXPECT_FALSE(spec->help.empty()) << spec->name;
    EXPECT_EQ(spec->bounds.empty(), spec->kind != MetricKind::kHistogram) << spec->name;
    EXPECT_TRUE(std::is_sorted(spec->bounds.begin(), spec->bounds.end())) << spec->name;
    for (const std::string_view label : spec->labels) {
      EXPECT_EQ(label.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), label.npos) << label;
    }
  }
}

}  // namespace
}  // namespace tulle::telemetry
