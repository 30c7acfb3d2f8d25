#include "sidecar/proxy/ended.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "net/base/arena.h"
#include "net/loop/uv/uv_loop.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.pb.h"
#include "sidecar/config/log_filter.h"
#include "sidecar/proxy/access_log.h"
#include "sidecar/proxy/access_log_writer.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/request_telemetry.h"
#include "sidecar/proxy/trace_record.h"
#include "sidecar/upstream/failures.h"
#include "telemetry/families.h"
#include "telemetry/otlp_request.h"
#include "telemetry/prometheus.h"

namespace tulle::proxy {
namespace {

using std::chrono::milliseconds;

class Kept : public AccessLogSink {
 public:
  bool Submit(std::string_view path, std::string& lines) override {
    if (refuse) return false;
    text += std::string(path) + ": " + lines;
    lines.clear();
    return true;
  }
  std::string text;
  bool refuse = false;
};

class KeptRecords final : public CollectorSink {
 public:
  bool Submit(const std::shared_ptr<const config::CollectorSpec>& collector, std::string& records,
              uint64_t count, bool) override {
    if (refuse) return false;
    taken += count;
    kept[collector->cluster] += records;
    records.clear();
    return true;
  }
  // Of one collector, since the last call.
  std::vector<opentelemetry::proto::logs::v1::LogRecord> Take(const std::string& cluster) {
    opentelemetry::proto::collector::logs::v1::ExportLogsServiceRequest request;
    EXPECT_TRUE(request.ParseFromString(
        telemetry::MakeExportRequest("", std::exchange(kept[cluster], {}))));
    const auto& records = request.resource_logs(0).scope_logs(0).log_records();
    return {records.begin(), records.end()};
  }
  std::map<std::string, std::string> kept;
  uint64_t taken = 0;
  bool refuse = false;
};

class EndedTest : public testing::Test {
 protected:
  EndedTest() : loop(loop::NewUvLoop()), arena(loop->slab()), head(arena), response(arena) {
    chain = std::make_shared<config::FilterChainSpec>();
    chain->own_identity = "spiffe://d/ns/default/sa/post";
    peer.spiffe_id = "spiffe://d/ns/default/sa/gateway";
    peer.labels = "version=v9";
    head.method = "GET";
    head.path = "/posts?page=2";
    head.authority = "post.default.svc.cluster.local";
    head.headers.Add("User-Agent", "curl/7");
    record.request = &head;
    record.original_path = head.path;
    record.status = 200;
    record.routed.service = "post.default.svc.cluster.local";
    record.routed.cluster = "outbound|80||post.default.svc.cluster.local";
    record.times.started = loop::Instant(milliseconds(1000));
    record.times.upstream_asked = loop::Instant(milliseconds(1001));
    record.times.upstream_answered = loop::Instant(milliseconds(1004));
    record.times.ended = loop::Instant(milliseconds(1007));
    record.times.wall_started = std::chrono::system_clock::time_point(milliseconds(1795255233031));
    record.bytes.request = 11;
    record.bytes.response = 279;
    record.upstream.address = SocketAddress::Loopback4(8080);
    record.upstream.peer = "spiffe://d/ns/default/sa/post";
    record.upstream.labels = "app=letters,version=v3";
  }

  EndedRequest Request(config::Direction direction) {
    return {{spec, direction, direction == config::Direction::kInbound ? &peer : nullptr,
             direction == config::Direction::kInbound, SocketAddress::Loopback4(1234),
             SocketAddress::Loopback4(80), "sni"},
            record,
            &response};
  }
  // A call with so many empty messages.
  GrpcBodies* GrpcOf(size_t sent, size_t received) {
    GrpcBodies* bodies = arena.New<GrpcBodies>();
    Buffer messages(loop->slab());
    messages.Append(std::string(5 * sent, '\0'));
    bodies->request.Pass(messages);
    messages.Clear();
    messages.Append(std::string(5 * received, '\0'));
    bodies->response.Pass(messages);
    return bodies;
  }
  std::string Metrics() {
    const telemetry::Registry* all[] = {&registry};
    return telemetry::PlainText(telemetry::Collect(all));
  }
  void Seal() { spec = chain; }

  std::unique_ptr<loop::Loop> loop;
  Arena arena;
  http::Head head;
  http::Head response;
  std::shared_ptr<config::FilterChainSpec> chain;
  std::shared_ptr<const config::FilterChainSpec> spec;
  PeerIdentity peer;
  DecisionRecord record;
  telemetry::Registry registry;
  Workload own =
      WorkloadOf("spiffe://d/ns/default/sa/gateway", {{"app", "edge"}, {"version", "v2"}});
};

TEST_F(EndedTest, RoutesAndTheServiceThatWasCalledAreForTheControlPlaneAlone) {
  Seal();
  RequestTelemetry metrics(registry, own);
  const auto count = [&](const char* route, const char* virtual_host) {
    record.routed.route = route;
    EndedRequest request = Request(config::Direction::kOutbound);
    request.virtual_host = virtual_host;
    metrics.Count(request);
  };
  count("default", "post.default.svc.cluster.local:80");
  count("default", "post.default.svc.cluster.local:80");
  count("shop/versions[0][0]", "blog.default.svc.cluster.local:80");
  count("shop/versions[1][0]", "blog.default.svc.cluster.local:80");
  metrics.Count(Request(config::Direction::kInbound));
  const telemetry::Registry* all[] = {&registry};
  const telemetry::FamilySpec* only[] = {&telemetry::kRouteRequestDuration};
  std::map<std::string, uint64_t> requests;
  const auto collected = telemetry::Collect(all, only);
  for (const telemetry::Sample& each : collected[0].samples) {
    using telemetry::RouteLabel;
    uint64_t& sum = requests[std::string(each.labels[RouteLabel::kCalledService]) + " " +
                             std::string(each.labels[RouteLabel::kRoute])];
    for (const uint64_t bucket : each.buckets) sum += bucket;
  }
  EXPECT_EQ(requests, (std::map<std::string, uint64_t>{
                          {"unknown default", 2},
                          {"blog.default.svc.cluster.local shop/versions[0][0]", 1},
                          {"blog.default.svc.cluster.local shop/versions[1][0]", 1},
                          {"unknown unknown", 1}}));
  EXPECT_EQ(Metrics().find("tulle_route"), std::string::npos) << "not scraped";
}

TEST_F(EndedTest, IstiosLabelsOnTheSourcesSide) {
  Seal();
  RequestTelemetry metrics(registry, own);
  metrics.Count(Request(config::Direction::kOutbound));
  metrics.Count(Request(config::Direction::kOutbound));
  const std::string text = Metrics();
  EXPECT_NE(text.find("istio_requests_total{reporter=\"source\",source_workload=\"gateway\","
                      "source_workload_namespace=\"default\","
                      "source_principal=\"spiffe://d/ns/default/sa/gateway\",source_app=\"edge\","
                      "source_version=\"v2\",source_cluster=\"unknown\","
                      "source_canonical_service=\"edge\",source_canonical_revision=\"v2\","
                      "destination_workload=\"post\",destination_workload_namespace=\"default\","
                      "destination_principal=\"spiffe://d/ns/default/sa/post\","
                      "destination_app=\"letters\",destination_version=\"v3\","
                      "destination_cluster=\"unknown\",destination_canonical_service=\"letters\","
                      "destination_canonical_revision=\"v3\","
                      "destination_service=\"post.default.svc.cluster.local\","
                      "destination_service_name=\"post\",destination_service_namespace=\"default\","
                      "request_protocol=\"http\",response_code=\"200\","
                      "grpc_response_status=\"unknown\",response_flags=\"-\","
                      "connection_security_policy=\"unknown\"} 2\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("http_requests_total{direction=\"outbound\",service=\"post.default.svc."
                      "cluster.local\",method=\"GET\",status=\"200\"} 2\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("istio_request_messages_total"), std::string::npos) << text;
}

TEST_F(EndedTest, PeersOfOneIdentityDifferByTheirLabels) {
  Seal();
  RequestTelemetry metrics(registry, own);
  for (const std::string_view labels :
       {"version=v1", "version=v2", "", "no labels", "version=v2"}) {
    record.upstream.labels = labels;
    metrics.Count(Request(config::Direction::kOutbound));
  }
  const std::string text = Metrics();
  for (const char* part : {"destination_app=\"unknown\",destination_version=\"v1\",",
                           "destination_app=\"unknown\",destination_version=\"v2\",",
                           "destination_canonical_revision=\"latest\","}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(Workload, IsNamedByIstiosRules) {
  const std::string id = "spiffe://d/ns/shop/sa/cart";
  const Workload plain = WorkloadOf(id);
  EXPECT_EQ(plain.app, "");
  EXPECT_EQ(plain.canonical_service, "cart");
  EXPECT_EQ(plain.canonical_revision, "latest");
  const Workload usual =
      WorkloadOf(id, {{"app.kubernetes.io/name", "basket"}, {"app.kubernetes.io/version", "1.2"}});
  EXPECT_EQ(usual.app, "basket");
  EXPECT_EQ(usual.version, "1.2");
  EXPECT_EQ(usual.canonical_service, "basket");
  const Workload named = WorkloadOf(id, {{"service.istio.io/canonical-name", "c"},
                                         {"service.istio.io/canonical-revision", "r"},
                                         {"topology.istio.io/cluster", "east"},
                                         {"app", "a"},
                                         {"version", "v"}});
  EXPECT_EQ(named.canonical_service, "c");
  EXPECT_EQ(named.canonical_revision, "r");
  EXPECT_EQ(named.cluster, "east");
  EXPECT_EQ(named.app, "a");
  EXPECT_EQ(named.version, "v");
  EXPECT_EQ(WorkloadOf("").canonical_revision, "") << "nothing is known of it";
}

TEST_F(EndedTest, OnlySampledRequestsAreExemplars) {
  Seal();
  RequestTelemetry metrics(registry, own);
  record.tracing.id = "0af7651916cd43dd8448eb211c80319c";  // of a trace that is not sampled
  metrics.Count(Request(config::Direction::kOutbound));
  const telemetry::Registry* all[] = {&registry};
  const telemetry::FamilySpec* durations[] = {&telemetry::kIstioRequestDuration};
  EXPECT_TRUE(telemetry::Collect(all, durations)[0].samples[0].exemplars.empty());
  RequestTrace trace;
  trace.context = {1, 2, 3, telemetry::TracePoint::kSampled};
  record.tracing.spans = &trace;
  metrics.Count(Request(config::Direction::kOutbound));
  const std::vector<telemetry::FamilySamples> families = telemetry::Collect(all, durations);
  const telemetry::Sample& sample = families[0].samples[0];
  ASSERT_EQ(sample.exemplars.size(), sample.buckets.size());
  EXPECT_EQ(sample.buckets[4], 2u) << "7 ms";
  EXPECT_EQ(sample.exemplars[4], (telemetry::Exemplar{1, 2, 3, 7, 1795255233038}));
}

TEST_F(EndedTest, ARetiredSeriesBeginsAgain) {
  Seal();
  RequestTelemetry metrics(registry, own);
  metrics.Count(Request(config::Direction::kOutbound));
  metrics.Count(Request(config::Direction::kOutbound));
  telemetry::Registry* const all[] = {&registry};
  EXPECT_FALSE(telemetry::RetireIdle(all, telemetry::ExpiringFamilies(), 1, 1));
  EXPECT_TRUE(telemetry::RetireIdle(all, telemetry::ExpiringFamilies(), 2, 1));
  EXPECT_EQ(Metrics(), "");
  metrics.DropCells();
  registry.FreeRetired();
  metrics.Count(Request(config::Direction::kOutbound));
  EXPECT_NE(Metrics().find("http_requests_total{direction=\"outbound\",service=\"post.default.svc."
                           "cluster.local\",method=\"GET\",status=\"200\"} 1\n"),
            std::string::npos)
      << Metrics();
}

// A fault is injected into a part of the requests only.
TEST_F(EndedTest, DelayedRequestsHaveALabelOfTheirOwn) {
  Seal();
  RequestTelemetry metrics(registry, own);
  metrics.Count(Request(config::Direction::kOutbound));
  record.delay_injected = true;
  metrics.Count(Request(config::Direction::kOutbound));
  const std::string text = Metrics();
  EXPECT_NE(text.find("response_flags=\"-\",connection_security_policy=\"unknown\"} 1\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("response_flags=\"DI\",connection_security_policy=\"unknown\"} 1\n"),
            std::string::npos)
      << text;
}

TEST_F(EndedTest, IstiosLabelsOnTheDestinationsSide) {
  Seal();
  own = WorkloadOf("spiffe://d/ns/default/sa/post", {{"app", "posts"}});
  RequestTelemetry metrics(registry, own);
  record.grpc = GrpcOf(2, 3);
  record.grpc_status = "14";
  record.failure = {FailureKind::kConnectRefused};
  record.retries.exhausted = true;
  metrics.Count(Request(config::Direction::kInbound));
  const std::string text = Metrics();
  for (const char* part :
       {"reporter=\"destination\",source_workload=\"gateway\"",
        "source_app=\"unknown\",source_version=\"v9\"",
        "destination_workload=\"post\",destination_workload_namespace=\"default\","
        "destination_principal=\"spiffe://d/ns/default/sa/post\",destination_app=\"posts\"",
        "request_protocol=\"grpc\",response_code=\"200\",grpc_response_status=\"14\","
        "response_flags=\"UF,URX\",connection_security_policy=\"mutual_tls\"} 1\n",
        "connection_security_policy=\"mutual_tls\"} 2\n", "istio_request_messages_total{",
        "connection_security_policy=\"mutual_tls\"} 3\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST_F(EndedTest, Fault85_WhatARequestSaysMakesNoRows) {
  Seal();
  RequestTelemetry metrics(registry, own);
  record.grpc = GrpcOf(2, 3);
  for (int i = 0; i < 100; ++i) {
    const std::string text = std::to_string(100 + i);
    head.method = head.path = head.authority = record.grpc_status = text;
    metrics.Count(Request(config::Direction::kOutbound));
  }
  const telemetry::Registry* all[] = {&registry};
  for (const telemetry::FamilySamples& family : telemetry::Collect(all)) {
    EXPECT_EQ(family.samples.size(), 1) << family.spec.name;
  }
}

// The sum of a family's rows whose label has this value, and their number.
struct Found {
  size_t rows = 0;
  uint64_t count = 0;
  bool operator==(const Found&) const = default;
};

class SeriesBudgetTest : public EndedTest {
 protected:
  SeriesBudgetTest() { Seal(); }
  Found Find(const telemetry::FamilySpec& family, size_t label, std::string_view value) const {
    const telemetry::Registry* all[] = {&registry};
    const telemetry::FamilySpec* only[] = {&family};
    Found found;
    for (const telemetry::FamilySamples& samples : telemetry::Collect(all, only)) {
      for (const telemetry::Sample& sample : samples.samples) {
        if (sample.labels[label] != value) continue;
        ++found.rows;
        found.count += sample.count;
      }
    }
    return found;
  }
  Found OfPeer(std::string_view spiffe_id) const {
    return Find(telemetry::kIstioRequests, telemetry::kSourcePrincipal, spiffe_id);
  }
  void CountFrom(std::string_view spiffe_id, std::string labels, int status = 200) {
    peer.spiffe_id = spiffe_id;
    peer.labels = std::move(labels);
    record.status = status;
    metrics.Count(Request(config::Direction::kInbound));
  }

  RequestTelemetry metrics{registry, own};
  static constexpr char kHonest[] = "spiffe://d/ns/default/sa/honest";
  static constexpr char kHostile[] = "spiffe://d/ns/default/sa/hostile";
  static constexpr size_t kShare =
      telemetry::Registry::kRowsPerFamily / telemetry::Registry::kOwnersInBudget;
};

TEST_F(SeriesBudgetTest, Fault85_APeerThatVariesItsLabelsTakesNoRowOfOthers) {
  for (int i = 0; i < 10'000; ++i) {
    CountFrom(kHostile, "version=v" + std::to_string(i), 200 + i % 400);
    if (i % 1000 == 0) CountFrom(kHonest, "version=v1");
  }
  CountFrom(kHonest, "version=v2", 503);
  EXPECT_EQ(OfPeer(kHostile), (Found{kShare, kShare}));
  EXPECT_EQ(OfPeer(kHonest), (Found{2, 11}));
  EXPECT_EQ(OfPeer("other").count, 10'000 - kShare);
  // Whether the requests failed is known of all.
  const Found failed = Find(telemetry::kIstioRequests, telemetry::kResponseCode, "5xx");
  EXPECT_EQ(failed.rows, 1u);
  EXPECT_GT(failed.count, 2000u);
  EXPECT_EQ(Find(telemetry::kIstioRequests, telemetry::kReporter, "destination").count, 10'011u);
}

TEST_F(SeriesBudgetTest, Fault85_AShareLastsLongerThanTheCellsOfAWorker) {
  for (int round = 0; round < 20; ++round) {
    for (size_t i = 0; i < kShare; ++i)
      CountFrom(kHostile, "version=v" + std::to_string(round) + "-" + std::to_string(i));
    metrics.DropCells();
  }
  EXPECT_EQ(OfPeer(kHostile).rows, kShare);
  CountFrom(kHonest, "version=v1");
  EXPECT_EQ(OfPeer(kHonest), (Found{1, 1}));
}

// All that callers can vary, and more peers than fit: rows stay within the budget, what finds no
// room is counted, and series that were there stay right.
TEST_F(SeriesBudgetTest, Fault85_AMillionHostsAndPathsStayInTheBudget) {
  constexpr int kRequests = 1'000'000;
  CountFrom(kHonest, "version=v1");
  std::string spiffe_id, text;
  for (int i = 0; i < kRequests; ++i) {
    text = std::to_string(i);
    head.path = head.authority = text;
    head.method = i % 3 == 0 ? std::string_view("GET") : std::string_view(text);
    spiffe_id = "spiffe://d/ns/default/sa/" + std::to_string(i % 5000);
    CountFrom(spiffe_id, "version=v" + text, 100 + i % 500);
    if (i % 1000 == 0) CountFrom(kHonest, "version=v1");
  }
  EXPECT_EQ(OfPeer(kHonest), (Found{1, 1001}));
  const telemetry::Registry* all[] = {&registry};
  for (const telemetry::FamilySamples& family : telemetry::Collect(all)) {
    EXPECT_LE(family.samples.size(), telemetry::Registry::kRowsPerFamily + 6) << family.spec.name;
    if (family.spec.name != "istio_requests_total") continue;
    uint64_t sum = 0;
    for (const telemetry::Sample& sample : family.samples) sum += sample.count;
    EXPECT_EQ(sum, kRequests + 1001u);
  }
  EXPECT_GT(OfPeer("other").count, kRequests - 2 * telemetry::Registry::kRowsPerFamily);
}

TEST_F(SeriesBudgetTest, Fault85_RelaysHaveTheSameShares) {
  RelayRecord relay;
  relay.service = "db.default.svc.cluster.local";
  relay.opened = true;
  const auto count = [&](std::string_view spiffe_id, std::string labels) {
    peer.spiffe_id = spiffe_id;
    peer.labels = std::move(labels);
    const EndedDownstream downstream{spec, config::Direction::kInbound, &peer, true, {}, {}, ""};
    metrics.CountOpened({downstream, nullptr, relay, {}});
    metrics.Count(EndedRelay{downstream, nullptr, relay, {}});
  };
  for (int i = 0; i < 3000; ++i) count(kHostile, "version=v" + std::to_string(i));
  count(kHonest, "");
  const auto closed = [this](std::string_view spiffe_id) {
    return Find(telemetry::kIstioTcpClosed, telemetry::kSourcePrincipal, spiffe_id);
  };
  EXPECT_EQ(closed(kHostile), (Found{kShare, kShare}));
  EXPECT_EQ(closed("other"), (Found{1, 3000 - kShare}));
  EXPECT_EQ(closed(kHonest), (Found{1, 1}));
}

TEST_F(EndedTest, FailuresAreCountedByCause) {
  Seal();
  RequestTelemetry metrics(registry, own);
  metrics.Count(Request(config::Direction::kOutbound));
  record.status = 500;  // the service itself
  metrics.Count(Request(config::Direction::kOutbound));
  record.failure = {FailureKind::kConnectRefused};
  for (int i = 0; i < 3; ++i) metrics.Count(Request(config::Direction::kOutbound));
  RelayRecord relay;
  relay.service = "db.default.svc.cluster.local";
  relay.failure = {FailureKind::kConnectTimeout};
  const EndedDownstream downstream{spec, config::Direction::kOutbound, nullptr, false, {}, {}, ""};
  metrics.Count(EndedRelay{downstream, nullptr, relay, {}});
  const telemetry::Registry* all[] = {&registry};
  const telemetry::FamilySpec* only[] = {&telemetry::kFailures};
  EXPECT_EQ(
      telemetry::PlainText(telemetry::Collect(all, only)),
      "tulle_failures_total{direction=\"outbound\",service=\"db.default.svc.cluster.local\","
      "cause=\"connect_timeout\"} 1\n"
      "tulle_failures_total{direction=\"outbound\",service=\"post.default.svc.cluster.local\","
      "cause=\"connect_failed\"} 3\n");
}

TEST_F(EndedTest, RelaysAreOpenedOnceAndClosedOnce) {
  Seal();
  RequestTelemetry metrics(registry, own);
  RelayRecord relay;
  relay.service = "db.default.svc.cluster.local";
  relay.received = 5;
  relay.sent = 7;
  relay.opened = true;
  const EndedDownstream downstream{spec, config::Direction::kOutbound, nullptr, false, {}, {}, ""};
  PeerIdentity upstream;
  upstream.spiffe_id = "spiffe://d/ns/default/sa/db";
  upstream.labels = "version=v5";
  metrics.CountOpened({downstream, &upstream, relay, {}});
  metrics.Count(EndedRelay{downstream, &upstream, relay, {}});
  std::istringstream lines(Metrics());
  int found = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string_view value = std::string_view(line).substr(line.rfind(' ') + 1);
    const bool sent = line.starts_with("istio_tcp_sent_bytes_total");
    const bool received = line.starts_with("istio_tcp_received_bytes_total");
    EXPECT_EQ(value, sent ? "7" : received ? "5" : "1") << line;
    EXPECT_NE(line.find("destination_workload=\"db\""), line.npos) << line;
    EXPECT_NE(line.find("destination_version=\"v5\""), line.npos) << line;
    ++found;
  }
  EXPECT_EQ(found, 4);
}

TEST_F(EndedTest, EnvoysLine) {
  config::HttpSpec http;
  http.access_logs.push_back({"/dev/stdout", "", {}});
  chain->proxy = http;
  Seal();
  Kept sink;
  AccessLog log(*loop, sink, registry);
  log.Write(Request(config::Direction::kOutbound));
  log.Flush();
  EXPECT_EQ(sink.text,
            "/dev/stdout: [2026-11-21T10:00:33.031Z] \"GET /posts?page=2 HTTP/1.1\" 200 - 11 279 "
            "7 3 \"-\" \"curl/7\" \"-\" \"post.default.svc.cluster.local\" \"127.0.0.1:8080\"\n");
}

TEST_F(EndedTest, JsonAndOriginalPath) {
  config::HttpSpec http;
  http.access_logs.push_back({"/f",
                              "",
                              {{"path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
                               {"from", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"},
                               {"peer", "%DOWNSTREAM_PEER_URI_SAN%"},
                               {"details", "%RESPONSE_CODE_DETAILS%"},
                               {"code", "%RESPONSE_CODE%"}}});
  chain->proxy = http;
  Seal();
  record.original_path = "/original";
  record.failure = {failures::kDenied};
  record.policy = "only-gateway";
  record.status = 403;
  Kept sink;
  AccessLog log(*loop, sink, registry);
  log.Write(Request(config::Direction::kInbound));
  log.Flush();
  EXPECT_EQ(sink.text,
            "/f: {\"path\":\"/original\",\"from\":\"127.0.0.1\","
            "\"peer\":\"spiffe://d/ns/default/sa/gateway\","
            "\"details\":\"rbac_access_denied_matched_policy[only-gateway]\",\"code\":403}\n");
}

TEST_F(EndedTest, OperatorsOfTheConnection) {
  config::HttpSpec http;
  http.access_logs.push_back(
      {"/f",
       "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %CONNECTION_ID% %STREAM_ID% %SPAN_ID% "
       "%DOWNSTREAM_PEER_ISSUER% %DOWNSTREAM_PEER_SERIAL% %DOWNSTREAM_PEER_CERT_V_START% "
       "%DOWNSTREAM_PEER_CERT_V_END(%s)% %DOWNSTREAM_LOCAL_URI_SAN% %UPSTREAM_PROTOCOL% "
       "%UPSTREAM_TLS_VERSION% %UPSTREAM_TLS_CIPHER% %ACCESS_LOG_TYPE% "
       "%LOCAL_REPLY_BODY% %UPSTREAM_METADATA(a)%\n",
       {}});
  chain->proxy = http;
  Seal();
  peer.issuer = "CN=root";
  peer.serial = "0a1b";
  peer.not_before = 1795255233;
  peer.not_after = 1795258833;
  head.headers.Add("x-request-id", "id-1");
  record.tracing.span = 0xabc;
  record.upstream.was_asked = record.upstream.is_http2 = true;
  record.upstream.tls_terms = {0x0303, 0xc02b};
  record.failure = {failures::kDenied};
  Kept sink;
  AccessLog log(*loop, sink, registry);
  EndedRequest request = Request(config::Direction::kInbound);
  request.downstream.tls_terms = {0x0304, 0x1301};
  request.downstream.connection = 7001;
  log.Write(request);
  log.Flush();
  EXPECT_EQ(sink.text,
            "/f: TLSv1.3 TLS_AES_128_GCM_SHA256 7001 id-1 0000000000000abc CN=root 0a1b "
            "2026-11-21T10:00:33.000Z "
            "1795258833 spiffe://d/ns/default/sa/post HTTP/2 TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256 "
            "DownstreamEnd "
            "RBAC: access denied -\n");
}

class LogFilterTest : public EndedTest {
 protected:
  // Whether a request, and a connection, with these facts is logged.
  bool Logs(config::LogFilter filter) {
    auto shared = std::make_shared<const config::LogFilter>(std::move(filter));
    chain = std::make_shared<config::FilterChainSpec>(*chain);
    config::HttpSpec http;
    config::AccessLogSpec one{"/f", "x", {}};
    one.filter = shared;
    http.access_logs.push_back(one);
    chain->proxy = http;
    Seal();
    Kept sink;
    AccessLog log(*loop, sink, registry);
    log.Write(Request(config::Direction::kOutbound));
    log.Flush();
    return !sink.text.empty();
  }
  static config::LogFilter Status(config::Comparison comparison, uint32_t status) {
    return {config::StatusFilter{comparison, status}};
  }
};

TEST_F(LogFilterTest, ComparesStatusAndDuration) {
  using enum config::Comparison;
  record.status = 404;
  EXPECT_TRUE(Logs(Status(kAtLeast, 404)));
  EXPECT_FALSE(Logs(Status(kAtLeast, 405)));
  EXPECT_TRUE(Logs(Status(kAtMost, 404)));
  EXPECT_FALSE(Logs(Status(kAtMost, 403)));
  EXPECT_TRUE(Logs(Status(kEqual, 404)));
  EXPECT_FALSE(Logs(Status(kEqual, 400)));
  EXPECT_TRUE(Logs(Status(kNotEqual, 400)));
  EXPECT_TRUE(Logs({config::DurationFilter{kEqual, 7}}));
  EXPECT_FALSE(Logs({config::DurationFilter{kAtLeast, 8}}));
}

TEST_F(LogFilterTest, LooksForFlagsGrpcStatusesHeadersAndTraces) {
  EXPECT_FALSE(Logs({config::FlagFilter{}}));
  record.failure = {FailureKind::kConnectRefused};
  record.retries.exhausted = true;
  EXPECT_TRUE(Logs({config::FlagFilter{}}));
  EXPECT_TRUE(Logs({config::FlagFilter{{"NR", "URX"}}}));
  EXPECT_FALSE(Logs({config::FlagFilter{{"U", "UR"}}}));
  record.grpc_status = "13";
  EXPECT_TRUE(Logs({config::GrpcStatusFilter{1U << 13, false}}));
  EXPECT_FALSE(Logs({config::GrpcStatusFilter{1U << 13, true}}));
  record.grpc_status = "";
  record.status = 503;
  EXPECT_TRUE(Logs({config::GrpcStatusFilter{1U << 14, false}})) << "unavailable";
  const auto header = [](const char* name) {
    return config::LogFilter{config::HeaderFilter{*match::HeaderMatch::Compile({.name = name})}};
  };
  EXPECT_TRUE(Logs(header("user-agent")));
  EXPECT_FALSE(Logs(header("x-debug")));
  EXPECT_FALSE(Logs({config::TracedFilter{}}));
  RequestTrace trace;
  record.tracing.spans = &trace;
  EXPECT_TRUE(Logs({config::TracedFilter{}}));
}

TEST_F(LogFilterTest, CombinesAndDraws) {
  using enum config::Comparison;
  const config::LogFilter yes = Status(kEqual, 200), no = Status(kEqual, 1);
  EXPECT_TRUE(Logs({config::AllOf{}}));
  EXPECT_TRUE(Logs({config::AllOf{{yes, yes}}}));
  EXPECT_FALSE(Logs({config::AllOf{{yes, no}}}));
  EXPECT_TRUE(Logs({config::AnyOf{{no, yes}}}));
  EXPECT_FALSE(Logs({config::AnyOf{{no, {config::AllOf{{yes, no}}}}}}));
  EXPECT_TRUE(Logs({config::ShareFilter{1'000'000}}));
  EXPECT_FALSE(Logs({config::ShareFilter{0}}));
  int drawn = 0;
  for (int i = 0; i < 1000; ++i) drawn += Logs({config::ShareFilter{500'000}});
  EXPECT_GT(drawn, 350);
  EXPECT_LT(drawn, 650);
}

TEST_F(EndedTest, AFilterLooksAtConnectionsToo) {
  config::TcpSpec tcp;
  config::AccessLogSpec one{"/f", "%ACCESS_LOG_TYPE%\n", {}};
  one.filter = std::make_shared<const config::LogFilter>(config::LogFilter{config::FlagFilter{}});
  tcp.access_logs.push_back(one);
  chain->proxy = tcp;
  Seal();
  RelayRecord relay;
  Kept sink;
  AccessLog log(*loop, sink, registry);
  const EndedDownstream downstream{spec, config::Direction::kOutbound, nullptr, false, {}, {}, ""};
  log.Write(EndedRelay{downstream, nullptr, relay, {}});
  log.Flush();
  EXPECT_EQ(sink.text, "");
  relay.failure = {FailureKind::kConnectRefused};
  log.Write(EndedRelay{downstream, nullptr, relay, {}});
  log.Flush();
  EXPECT_EQ(sink.text, "/f: TcpConnectionEnd\n");
}

TEST_F(EndedTest, ErrorsAreLoggedWithoutALogAndInBounds) {
  Seal();
  Kept sink;
  {
    AccessLog log(*loop, sink, registry);
    log.Write(Request(config::Direction::kOutbound));
    EXPECT_EQ(sink.text, "");
    record.status = 503;
    record.failure = {upstream::failures::kNoHealthyEndpoint};
    for (int i = 0; i < 1000; ++i) log.Write(Request(config::Direction::kOutbound));
  }
  EXPECT_EQ(std::count(sink.text.begin(), sink.text.end(), '\n'), 10);
  EXPECT_NE(sink.text.find("/dev/stderr: [2026-11-21T10:00:33.031Z] error \"GET /posts?page=2 "
                           "HTTP/1.1\" 503 UH no_healthy_upstream - cause=no_healthy_endpoint \""),
            std::string::npos)
      << sink.text;
  EXPECT_NE(Metrics().find("tulle_access_log_dropped_lines_total{reason=\"suppressed\"} 990\n"),
            std::string::npos)
      << Metrics();
}

// The lines that a log without configuration has of the requests.
class UnaskedLines : public EndedTest {
 protected:
  void Write(AccessLog& log, FailureKind kind, int status) {
    record.failure = {kind};
    record.status = status;
    log.Write(Request(config::Direction::kInbound));
  }
  size_t Count(std::string_view part) const {
    size_t count = 0;
    for (size_t at = sink.text.find(part); at != sink.text.npos; at = sink.text.find(part, at + 1))
      ++count;
    return count;
  }
  Kept sink;
};

TEST_F(UnaskedLines, EveryFailedRequestHasOneWithItsCause) {
  Seal();
  AccessLog log(*loop, sink, registry);
  const std::pair<FailureKind, int> kFailures[] = {
      {failures::kNoRoute, 404},           {failures::kRateLimited, 429},
      {failures::kMisdirected, 421},       {FailureKind::kBadRequest, 400},
      {FailureKind::kDownstreamClosed, 0}, {FailureKind::kUpstreamTruncated, 200},
      {FailureKind::kRequestTimeout, 504}, {failures::kFaultInjected, 418}};
  for (const auto& [kind, status] : kFailures) Write(log, kind, status);
  log.Flush();
  for (const auto& [kind, status] : kFailures) {
    const std::string cause(kind.facts().cause);
    EXPECT_EQ(Count(" cause=" + cause + " "), 1u) << cause << "\n" << sink.text;
  }
  EXPECT_EQ(Count(" error \"GET "), std::size(kFailures));
}

TEST_F(UnaskedLines, AnErrorOfTheServiceHasOneAndItsRefusalOfTheCallerHasNone) {
  Seal();
  AccessLog log(*loop, sink, registry);
  Write(log, {}, 404);
  Write(log, {}, 500);
  record.grpc_status = "14";
  Write(log, {}, 200);
  log.Flush();
  EXPECT_EQ(Count(" error \"GET "), 2u) << sink.text;
  EXPECT_EQ(Count(" 500 - via_upstream - cause=- "), 1u) << sink.text;
}

TEST_F(UnaskedLines, CallersDoNotPushOutOtherErrors) {
  Seal();
  AccessLog log(*loop, sink, registry);
  for (int i = 0; i < 1000; ++i) Write(log, failures::kNoRoute, 404);
  for (int i = 0; i < 1000; ++i) Write(log, FailureKind::kDownstreamClosed, 0);
  Write(log, FailureKind::kConnectRefused, 503);
  Write(log, failures::kDenied, 403);
  log.Flush();
  EXPECT_EQ(Count("cause=connect_failed"), 1u) << sink.text;
  EXPECT_EQ(Count(" denied \"GET "), 1u) << sink.text;
  EXPECT_EQ(Count("\n"), 12u) << sink.text;
}

TEST_F(UnaskedLines, RefusedAndBrokenConnectionsNameTheirCause) {
  Seal();
  AccessLog log(*loop, sink, registry);
  UnmatchedConnection unmatched;
  log.Write(unmatched);
  unmatched.plaintext_refused = true;
  log.Write(unmatched);
  BrokenConnection broken;
  broken.failure = {FailureKind::kDownstreamProtocol, "http2.settings_flood"};
  log.Write(broken);
  broken.failure = {FailureKind::kTlsFailed, "TLS protocol error"};
  log.Write(broken);
  log.Flush();
  for (const std::string_view part :
       {" NR - filter_chain_not_found cause=no_filter_chain caller=",
        " filter_chain_not_found{plaintext_refused} cause=plaintext_refused caller=",
        " DPE http2.settings_flood cause=downstream_protocol_error caller=",
        " connection ended - TLS protocol error cause=tls_failed caller="}) {
    EXPECT_EQ(Count(part), 1u) << part << "\n" << sink.text;
  }
}

TEST_F(EndedTest, ASinkThatIsFullCostsLinesThatAreCounted) {
  config::HttpSpec http;
  http.access_logs.push_back({"/f", "%PROTOCOL%\n", {}});
  chain->proxy = http;
  Seal();
  Kept sink;
  sink.refuse = true;
  AccessLog log(*loop, sink, registry);
  for (int i = 0; i < 3; ++i) log.Write(Request(config::Direction::kOutbound));
  log.Flush();
  EXPECT_NE(Metrics().find("tulle_access_log_dropped_lines_total{reason=\"queue_full\"} 3\n"),
            std::string::npos);
  sink.refuse = false;
  log.Write(Request(config::Direction::kOutbound));
  log.Flush();
  EXPECT_EQ(sink.text, "/f: HTTP/1.1\n");
}

config::AccessLogSpec LogTo(const std::string& collector, const std::string& format) {
  auto spec = std::make_shared<config::CollectorSpec>();
  spec->signal = config::Signal::kLogs;
  spec->cluster = collector;
  return {"", format, {}, spec, {{"code", "%RESPONSE_CODE%"}}};
}

TEST_F(EndedTest, ACollectorGetsRecordsBesideTheLinesOfAFile) {
  config::HttpSpec http;
  http.access_logs = {
      {"/f", "%PROTOCOL%\n", {}}, LogTo("a", "%REQ(:METHOD)% %RESPONSE_CODE%\n"), LogTo("b", "")};
  chain->proxy = http;
  Seal();
  Kept sink;
  KeptRecords collectors;
  AccessLog log(*loop, sink, registry, &collectors);
  RequestTrace trace;
  trace.context = {1, 2, 3, 1};
  record.tracing = {"00000000000000010000000000000002", &trace};
  log.Write(Request(config::Direction::kOutbound));
  record.tracing = {"00000000000000010000000000000002"};
  record.status = 500;
  log.Write(Request(config::Direction::kOutbound));
  record.tracing = {};
  record.status = 403;
  record.failure = {failures::kDenied};
  log.Write(Request(config::Direction::kInbound));
  log.Flush();
  EXPECT_EQ(sink.text, "/f: HTTP/1.1\nHTTP/1.1\nHTTP/1.1\n");
  EXPECT_EQ(collectors.taken, 6u);
  const auto records = collectors.Take("a");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].severity_text(), "INFO");
  EXPECT_EQ(records[0].body().string_value(), "GET 200");
  EXPECT_EQ(records[0].time_unix_nano(), 1795255233031000000u);
  EXPECT_EQ(records[0].observed_time_unix_nano(), 1795255233038000000u);
  EXPECT_EQ(records[0].trace_id(), std::string("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2", 16));
  EXPECT_EQ(records[0].span_id(), std::string("\0\0\0\0\0\0\0\3", 8));
  EXPECT_EQ(records[0].flags(), 1u);
  EXPECT_EQ(records[1].severity_text(), "ERROR");
  EXPECT_EQ(records[1].trace_id(), records[0].trace_id());
  EXPECT_EQ(records[1].span_id(), "") << "it has no span";
  EXPECT_EQ(records[2].severity_text(), "WARN");
  EXPECT_EQ(records[2].trace_id(), "");
  for (const auto& each : collectors.Take("b")) {
    EXPECT_FALSE(each.has_body());
    EXPECT_EQ(each.attributes(0).key(), "code");
  }
}

TEST_F(EndedTest, WhatACollectorsQueueDoesNotTakeIsCounted) {
  config::HttpSpec http;
  http.access_logs = {LogTo("a", "%PROTOCOL%")};
  chain->proxy = http;
  Seal();
  Kept sink;
  KeptRecords collectors;
  collectors.refuse = true;
  AccessLog log(*loop, sink, registry, &collectors);
  for (int i = 0; i < 3; ++i) log.Write(Request(config::Direction::kOutbound));
  log.Flush();
  EXPECT_NE(Metrics().find("tulle_access_log_dropped_lines_total{reason=\"queue_full\"} 3\n"),
            std::string::npos);
  collectors.refuse = false;
  log.Write(Request(config::Direction::kOutbound));
  log.Flush();
  EXPECT_EQ(collectors.taken, 1u);
  EXPECT_EQ(collectors.Take("a").size(), 1u);
}

std::string FileText(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(AccessLogWriter, WritesAllBeforeItEnds) {
  const std::string path = testing::TempDir() + "/access.log";
  unlink(path.c_str());
  telemetry::Registry registry;
  std::string expected;
  {
    AccessLogWriter writer(registry);
    for (int i = 0; i < 100; ++i) {
      std::string lines = std::string(1000, 'x') + std::to_string(i) + "\n";
      expected += lines;
      ASSERT_TRUE(writer.Submit(path, lines));
      EXPECT_TRUE(lines.empty());
    }
  }
  EXPECT_EQ(FileText(path), expected);
}

TEST(AccessLogWriter, FullDiskAndBadPathsAreCounted) {
  telemetry::Registry registry;
  {
    AccessLogWriter writer(registry);
    std::string one = "a\nb\n", two = "c\n";
    EXPECT_TRUE(writer.Submit("/dev/full", one));
    EXPECT_TRUE(writer.Submit("/no/such/folder/log", two));
  }
  const telemetry::Registry* all[] = {&registry};
  EXPECT_EQ(telemetry::PlainText(telemetry::Collect(all)),
            "tulle_access_log_dropped_lines_total{reason=\"write_failed\"} 3\n");
}

TEST(AccessLogWriter, WhatWaitsIsBoundedWhenNobodyReads) {
  const std::string path = testing::TempDir() + "/log.fifo";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  telemetry::Registry registry;
  {
    AccessLogWriter writer(registry, 1024 * 1024);
    int refused = 0;
    for (int i = 0; i < 64; ++i) {
      std::string lines(64 * 1024, 'x');
      if (!writer.Submit(path, lines)) {
        EXPECT_EQ(lines.size(), 64 * 1024);
        ++refused;
      }
    }
    EXPECT_GE(refused, 64 - 16 - 2);
    close(reader);  // ends the wait
  }
}

}  // namespace
}  // namespace tulle::proxy
