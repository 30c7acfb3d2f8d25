#include "sidecar/process/app_probes.h"

#include <gtest/gtest.h>

#include <string>

#include "sidecar/process/app_probe_spec.h"

namespace tulle::sidecar {
namespace {

using Kind = upstream::HealthCheckSpec::Kind;

TEST(AppProbes, AreReadAsKubernetesWritesThem) {
  const auto specs = ParseAppProbes(
      R"({"/app-health/web/livez": {"httpGet": {"path": "healthz?a=b", "port": 8080, "scheme": "HTTPS",
          "httpHeaders": [{"name": "Host", "value": "web.example"}, {"name": "X-A", "value": "b c"}]},
          "timeoutSeconds": 2},
          "/app-health/web/readyz": {"grpc": {"port": 9090, "service": "shop.Web"}},
          "/app-health/web/startupz": {"tcpSocket": {"port": 1}, "timeoutSeconds": 100000}})");
  ASSERT_TRUE(specs.ok()) << specs.status();
  const AppProbeSpec& live = specs->at("/app-health/web/livez");
  EXPECT_EQ(live.check.kind, Kind::kHttp);
  EXPECT_EQ(live.check.path, "/healthz?a=b");
  EXPECT_EQ(live.check.host, "web.example");
  EXPECT_EQ(live.check.headers.back(), std::pair(std::string("x-a"), std::string("b c")));
  EXPECT_EQ(live.check.timeout, std::chrono::seconds(2));
  EXPECT_TRUE(live.is_tls);
  EXPECT_EQ(live.port, 8080);
  const AppProbeSpec& ready = specs->at("/app-health/web/readyz");
  EXPECT_EQ(ready.check.kind, Kind::kGrpc);
  EXPECT_EQ(ready.check.service, "shop.Web");
  EXPECT_EQ(ready.check.timeout, std::chrono::seconds(1));
  const AppProbeSpec& start = specs->at("/app-health/web/startupz");
  EXPECT_EQ(start.check.kind, Kind::kTcp);
  EXPECT_EQ(start.check.timeout, std::chrono::seconds(300));
}

TEST(AppProbes, WhatCannotBeAskedIsRefused) {
  EXPECT_TRUE(CheckAppProbes("").ok());
  EXPECT_TRUE(CheckAppProbes("{}").ok());
  const char* const kBad[] = {
      "[",
      "[]",
      "7",
      R"({"/ready": {"tcpSocket": {"port": 1}}})",
      R"({"/app-health/a b/livez": {"tcpSocket": {"port": 1}}})",
      R"({"/app-health/a/livez": 7})",
      R"({"/app-health/a/livez": {}})",
      R"({"/app-health/a/livez": {"exec": {"command": ["a"]}}})",
      R"({"/app-health/a/livez": {"tcpSocket": {"port": 0}}})",
      R"({"/app-health/a/livez": {"tcpSocket": {"port": 65536}}})",
      R"({"/app-health/a/livez": {"tcpSocket": {"port": "http"}}})",
      R"({"/app-health/a/livez": {"tcpSocket": {"port": 1}, "grpc": {"port": 1}}})",
      R"({"/app-health/a/livez": {"httpGet": {"port": 1, "path": "/ HTTP/1.1\r\nx: y"}}})",
      R"({"/app-health/a/livez": {"httpGet": {"port": 1, "httpHeaders": [{"name": "a b", "value": ""}]}}})",
      R"({"/app-health/a/livez": {"httpGet": {"port": 1, "httpHeaders": [{"name": "a", "value": "b\r\nc: d"}]}}})",
      R"({"/app-health/a/livez": {"httpGet": {"port": 1, "httpHeaders": {"a": "b"}}}})",
  };
  for (const char* bad : kBad) EXPECT_FALSE(CheckAppProbes(bad).ok()) << bad;
}

}  // namespace
}  // namespace tulle::sidecar
