#include "telemetry/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
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
    const std::string_view host = sample.labels[0];
    EXPECT_EQ(sample.count, host == "other" ? 990 : host == "host3" ? 2 : 1) << host;
  }
  EXPECT_EQ(sum, 1001);
}

TEST(Metrics, Fault85_OneOwnerHasAShareOfTheBudget) {
  Registry registry(100);
  const std::string_view other[] = {"other", "5xx"};
  const auto count = [&](const std::string& host, std::string_view owner) {
    const std::string_view values[] = {host, "503"};
    registry.CounterRow(kCalls, LabelValues(values), {owner, LabelValues(other)}).Add();
  };
  for (int i = 0; i < 1000; ++i) count("evil" + std::to_string(i), "mallory");
  for (int i = 0; i < 5; ++i) count("good" + std::to_string(i), "alice");
  for (int i = 0; i < 20; ++i) Count(registry, "anyone" + std::to_string(i), "503");
  const Registry* all[] = {&registry};
  std::map<std::string, uint64_t> rows, counts;
  const std::vector<FamilySamples> families = Collect(all);
  for (const Sample& sample : families[0].samples) {
    const std::string_view host = sample.labels[0];
    const std::string kind(host.substr(0, host.find_first_of("0123456789")));
    ++rows[kind];
    counts[kind] += sample.count;
    if (kind == "other") {
      EXPECT_EQ(sample.labels[1], "5xx");
    }
  }
  EXPECT_EQ(rows, (std::map<std::string, uint64_t>{
                      {"evil", 25}, {"good", 5}, {"anyone", 20}, {"other", 1}}));
  EXPECT_EQ(counts["other"], 975u);
  EXPECT_EQ(counts["good"], 5u);
}

TEST(Metrics, WhatTheConfigurationAloneMakesHasNoBudget) {
  Registry registry(10);
  FamilySpec gauges{"limits", "Limits.", MetricKind::kGauge, kLabels, {}};
  gauges.rows_by = RowsBy::kConfiguration;
  for (int i = 0; i < 1000; ++i) {
    const std::string host = std::to_string(i);
    const std::string_view values[] = {host, "used"};
    registry.GaugeRow(gauges, values).Set(i);
  }
  const Registry* all[] = {&registry};
  EXPECT_EQ(Collect(all)[0].samples.size(), 1000u);
}

TEST(Metrics, Fault85_LongLabelValuesAreCut) {
  Registry registry;
  Count(registry, std::string(100000, 'x'), "200");
  const Registry* all[] = {&registry};
  EXPECT_EQ(Collect(all)[0].samples[0].labels[0].size(), LabelValues::kLongest);
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

TEST(Metrics, EqualLabelsOfSeveralFamiliesAreStoredOnce) {
  const std::string_view values[] = {"a long name of a host that needs memory", "200"};
  const LabelValues labels(values);
  const LabelValues copy = labels;
  EXPECT_EQ(labels.text().data(), copy.text().data());
  EXPECT_EQ(labels, LabelValues(values));
  EXPECT_EQ(labels[0], values[0]);
  EXPECT_EQ(labels[1], "200");
  EXPECT_LT(labels.bytes(), 160u);
}

TEST(Metrics, LabelsAreOrderedValueByValue) {
  const std::string_view values[][2] = {{"a", "z"}, {"a-b", "a"}, {"ab", ""}, {"b", "a"}};
  for (size_t i = 1; i < std::size(values); ++i) {
    EXPECT_TRUE(LabelValues(values[i - 1]) < LabelValues(values[i]));
    EXPECT_FALSE(LabelValues(values[i]) < LabelValues(values[i - 1]));
  }
  const std::string_view zeros[][2] = {{{"a\0b", 3}, "c"}, {"a", {"b\0c", 3}}};
  EXPECT_FALSE(LabelValues(zeros[0]) == LabelValues(zeros[1]));
  EXPECT_EQ(LabelValues(zeros[0])[0], "a b");
}

class IdleRowsTest : public testing::Test {
 protected:
  // Whether some were retired.
  bool Sweep() {
    const FamilySpec* const families[] = {&kCalls, &kSizes};
    Registry* const all[] = {&one_, &two_};
    const bool some = RetireIdle(all, families, ++sweep_, 3);
    if (some) one_.FreeRetired();
    if (some) two_.FreeRetired();
    return some;
  }
  std::string Shown() const {
    const Registry* const all[] = {&one_, &two_};
    return PlainText(Collect(all));
  }

  Registry one_;
  Registry two_;
  uint32_t sweep_ = 0;
};

TEST_F(IdleRowsTest, WhatDoesNotChangeGoesAndComesBackFromZero) {
  Count(one_, "a", "200", 7);
  one_.HistogramRow(kSizes).Record(1);
  one_.GaugeRow(kUp).Set(1);  // not of a family that expires
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Sweep()) << i;
  one_.HistogramRow(kSizes).Record(0);  // the sum stays, the count does not
  EXPECT_TRUE(Sweep());
  EXPECT_EQ(Shown(), "size_bytes_sum 1\nsize_bytes_count 2\nup 1\n");
  Count(one_, "a", "200");
  EXPECT_NE(Shown().find("calls_total{host=\"a\",code=\"200\"} 1\n"), std::string::npos);
}

TEST_F(IdleRowsTest, ASeriesGoesFromAllRegistriesOrFromNone) {
  Count(one_, "a", "200", 7);
  Count(two_, "a", "200", 2);
  for (int i = 0; i < 6; ++i) {
    EXPECT_FALSE(Sweep()) << i;
    Count(two_, "a", "200");
  }
  EXPECT_EQ(Shown(), "calls_total{host=\"a\",code=\"200\"} 15\n");
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Sweep()) << i;
  EXPECT_TRUE(Sweep());
  EXPECT_EQ(Shown(), "");
}

TEST_F(IdleRowsTest, TheBudgetIsFreeAgain) {
  for (size_t i = 0; i < Registry::kRowsPerFamily; ++i) Count(one_, "old" + std::to_string(i), "1");
  Count(one_, "late", "1");
  EXPECT_EQ(Shown().find("late"), std::string::npos);
  while (!Sweep()) continue;
  Count(one_, "late", "1");
  EXPECT_EQ(Shown(), "calls_total{host=\"late\",code=\"1\"} 1\n");
}

TEST_F(IdleRowsTest, TheShareOfAnOwnerIsFreeAgain) {
  const auto count = [this](const std::string& host) {
    const std::string_view values[] = {host, "1"};
    one_.CounterRow(kCalls, LabelValues(values), {"mallory", {}}).Add();
  };
  const size_t share = Registry::kRowsPerFamily / Registry::kOwnersInBudget;
  for (size_t i = 0; i < share; ++i) count("old" + std::to_string(i));
  count("late");
  EXPECT_EQ(Shown().find("late"), std::string::npos);
  while (!Sweep()) continue;
  count("late");
  EXPECT_EQ(Shown(), "calls_total{host=\"late\",code=\"1\"} 1\n");
}

TEST_F(IdleRowsTest, ARetiredCellMayBeWrittenUntilItsOwnerFreesIt) {
  const std::string_view values[] = {"a", "200"};
  Counter& cell = one_.CounterRow(kCalls, values);
  const FamilySpec* const families[] = {&kCalls};
  Registry* const all[] = {&one_};
  for (uint32_t sweep = 1; sweep < 3; ++sweep) RetireIdle(all, families, sweep, 1);
  EXPECT_EQ(Shown(), "");
  cell.Add();
  one_.FreeRetired();
}

TEST(Exemplars, TheLastOfEachBucketStays) {
  Registry registry;
  Histogram& sizes = registry.HistogramRow(kSizes);
  sizes.Record(1);
  EXPECT_FALSE(sizes.has_exemplars());
  sizes.Record(Exemplar{1, 2, 3, 2.5, 5000});
  sizes.Record(Exemplar{1, 2, 4, 2, 6000});
  EXPECT_EQ(sizes.exemplar(0), Exemplar());
  EXPECT_EQ(sizes.exemplar(1), (Exemplar{1, 2, 4, 2, 6000}));
  EXPECT_EQ(sizes.sum(), 5.5);
  EXPECT_EQ(sizes.count(), 3u);
}

TEST(Exemplars, TheLatestOfAllRegistriesIsShown) {
  Registry one, two;
  one.HistogramRow(kSizes).Record(Exemplar{1, 1, 1, 1, 6000});
  two.HistogramRow(kSizes).Record(Exemplar{2, 2, 2, 1, 5000});
  two.HistogramRow(kSizes).Record(Exemplar{2, 2, 2, 9, 5000});
  const Registry* const all[] = {&one, &two};
  const std::vector<FamilySamples> families = Collect(all);
  const std::vector<Exemplar>& shown = families[0].samples[0].exemplars;
  ASSERT_EQ(shown.size(), 3u);
  EXPECT_EQ(shown[0].trace_high, 1u);
  EXPECT_EQ(shown[1].unix_ms, 0);
  EXPECT_EQ(shown[2].trace_high, 2u);
}

// All fields of an exemplar are of one request, whoever reads meanwhile.
TEST(Exemplars, ReadWhileWritten) {
  Registry registry;
  Histogram& sizes = registry.HistogramRow(kSizes);
  sizes.Record(Exemplar{1, 1, 1, 1, 1});
  std::thread writer([&] {
    for (uint64_t i = 1; i < 200000; ++i)
      sizes.Record(Exemplar{i, i, i, 1, static_cast<int64_t>(i)});
  });
  uint64_t whole = 0;
  for (int i = 0; i < 100000; ++i) {
    const Exemplar seen = sizes.exemplar(0);
    if (seen.unix_ms == 0) continue;
    ++whole;
    ASSERT_EQ(seen.trace_high, seen.span);
    ASSERT_EQ(seen.trace_low, static_cast<uint64_t>(seen.unix_ms));
    ASSERT_EQ(seen.trace_low, seen.span);
  }
  writer.join();
  EXPECT_GT(whole, 0u);
}

TEST(Families, NamesFollowPrometheusRules) {
  for (const FamilySpec* spec : {&kIstioRequests,
                                 &kIstioRequestDuration,
                                 &kIstioRequestBytes,
                                 &kIstioResponseBytes,
                                 &kIstioRequestMessages,
                                 &kIstioResponseMessages,
                                 &kIstioTcpSent,
                                 &kIstioTcpReceived,
                                 &kIstioTcpOpened,
                                 &kIstioTcpClosed,
                                 &kHttpRequests,
                                 &kHttpRequestDuration,
                                 &kIstioBuild,
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
                                 &kWorkerMemory,
                                 &kFailures,
                                 &kBreakerOpened,
                                 &kProtocolDetections}) {
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
