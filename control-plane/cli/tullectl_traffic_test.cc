#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "control-plane/cli/tullectl_fixture.h"
#include "control-plane/insight/traffic.h"

namespace tulle::cli {
namespace {

using insight::Edge;
using insight::Outcome;

class TrafficCommands : public Tullectl {
 protected:
  static Edge EdgeTo(const std::string& service, bool mutual_tls = true) {
    return {"spiffe://cluster.local/ns/shop/sa/web",
            service + ".shop.svc.cluster.local",
            mutual_tls ? "spiffe://cluster.local/ns/shop/sa/" + service : "",
            "http",
            true,
            mutual_tls};
  }
  void Add(const Edge& edge, const Outcome& outcome, std::vector<uint32_t> buckets) {
    traffic_.AddRequests(*traffic_.RowOf(edge), outcome, buckets, kNow - 30);
  }
  void AddShop() {
    Add(EdgeTo("cart"), {200, -1, ""}, {0, 0, 0, 594});
    Add(EdgeTo("cart"), {503, -1, "UH"}, {6});
    Add(EdgeTo("post", false), {200, -1, ""}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6});
    Edge tcp = EdgeTo("redis");
    tcp.protocol = "tcp";
    traffic_.AddConnections(*traffic_.RowOf(tcp), {5, 1, 4096, 10, 2, 1}, kNow - 30);
  }
};

TEST_F(TrafficCommands, StatShowsEachService) {
  AddShop();
  EXPECT_EQ(Run({"stat"}), 0) << err;
  EXPECT_EQ(out,
            "SERVICE     SUCCESS   RPS    P50     P95     P99     CALLERS\n"
            "cart.shop   99.00%    10.0   3.7ms   4.9ms   5.0ms   1\n"
            "post.shop   100.00%   0.10   750ms   975ms   995ms   1\n"
            "\n"
            "TCP SERVICE   OPENED   FAILED   DENIED   CLOSED   BYTES SENT   BYTES RECEIVED   "
            "CALLERS\n"
            "redis.shop    5        2        1        1        4096         10               1\n");
  EXPECT_EQ(Run({"stat", "-o", "wide"}), 0) << err;
  EXPECT_NE(out.find("600        6          yes    503 UH (6)"), std::string::npos) << out;
  EXPECT_EQ(Run({"stat", "-o", "json"}), 0) << err;
  EXPECT_NE(out.find("\"failures\": 6"), std::string::npos) << out;
}

TEST_F(TrafficCommands, DescribeShowsAllThatConcernsAService) {
  Edge edge = EdgeTo("post");
  edge.service = "post.default.svc.cluster.local";
  Add(edge, {200, -1, ""}, {0, 0, 0, 594});
  Add(edge, {503, -1, "UH"}, {6});
  ASSERT_EQ(Run({"apply", "-f", "-"}, kRoute), 0) << err;
  EXPECT_EQ(Run({"describe", "service", "post"}), 0) << err;
  EXPECT_NE(out.find("Name:          post\nNamespace:     default\n"), std::string::npos) << out;
  EXPECT_NE(out.find("httproute/post"), std::string::npos) << out;
  EXPECT_NE(out.find("web.shop"), std::string::npos) << out;
  EXPECT_NE(out.find("503 UH (6)"), std::string::npos) << out;
  EXPECT_NE(out.find("proxy post-1 is REJECTED (clusters)"), std::string::npos) << out;
  EXPECT_EQ(Run({"describe", "httproute/post"}), 0) << err;
  EXPECT_NE(out.find("Services:      post.default\n"), std::string::npos) << out;
  EXPECT_NE(out.find("backendRefs"), std::string::npos) << out;
  EXPECT_EQ(Run({"describe", "svc", "nothing"}), 1);
  EXPECT_NE(err.find("service nothing not found"), std::string::npos) << err;
  EXPECT_EQ(Run({"describe", "service"}), 1);
  EXPECT_EQ(Run({"describe", "services", "post", "-n", "other"}), 1);
}

constexpr char kModes[] = R"(
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: all}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
---
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: post}
spec: {targetRef: {kind: Service, name: post}, mode: PERMISSIVE}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: lost}
spec: {targetRef: {kind: Service, name: pots}, timeouts: {request: 1s}}
)";

TEST_F(TrafficCommands, DescribeSaysWhichPolicyIsInEffectAndWhatIsWrongWithIt) {
  ASSERT_EQ(Run({"apply", "-f", "-"}, kModes), 0) << err;
  EXPECT_EQ(Run({"describe", "service", "post"}), 0) << err;
  EXPECT_NE(out.find("Mesh           no: overridden by peerauthentication/post"), std::string::npos)
      << out;
  EXPECT_NE(out.find("Service/post   yes"), std::string::npos) << out;
  EXPECT_EQ(Run({"describe", "rp", "lost"}), 0) << err;
  EXPECT_NE(out.find("Problems:\n  spec.targetRef: Service default/pots not found"),
            std::string::npos)
      << out;
}

TEST_F(TrafficCommands, DescribeShowsAllThatConcernsAWorkload) {
  ASSERT_EQ(Run({"apply", "-f", "-"}, kModes), 0) << err;
  EXPECT_EQ(Run({"get", "workloads"}), 0) << err;
  EXPECT_NE(out.find("NAME     SERVICES"), std::string::npos) << out;
  EXPECT_EQ(Run({"get", "workloads", "-o", "name"}), 0) << err;
  EXPECT_NE(out.find("workload/post-1\n"), std::string::npos) << out;
  EXPECT_EQ(Run({"describe", "workload", "post-1"}), 0) << err;
  EXPECT_NE(out.find("Name:          post-1\nNamespace:     default\n"), std::string::npos) << out;
  EXPECT_NE(out.find("Configuration: REJECTED (clusters)\n"), std::string::npos) << out;
  EXPECT_NE(out.find("no: overridden by peerauthentication/post"), std::string::npos) << out;
  EXPECT_NE(out.find("check \"configuration accepted\" fails: post-1"), std::string::npos) << out;
  EXPECT_EQ(Run({"describe", "workload", "nobody"}), 1);
  EXPECT_NE(err.find("workload nobody not found"), std::string::npos) << err;
  EXPECT_NE(err.find("tullectl get workloads -A"), std::string::npos) << err;
}

TEST_F(TrafficCommands, DescribeTellsOfTcpConnectionsThatFailOrAreDenied) {
  Edge edge = EdgeTo("post");
  edge.service = "post.default.svc.cluster.local";
  edge.protocol = "tcp";
  traffic_.AddConnections(*traffic_.RowOf(edge), {100, 100, 1, 1, 0, 5}, kNow - 30);
  edge.source = "spiffe://cluster.local/ns/shop/sa/batch";
  traffic_.AddConnections(*traffic_.RowOf(edge), {4, 4, 1, 1, 1, 0}, kNow - 30);
  EXPECT_EQ(Run({"describe", "service", "post"}), 0) << err;
  EXPECT_NE(out.find("75.00% of the TCP connections of batch.shop to post.default succeed"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("5 of the TCP connections of web.shop to post.default were denied "
                     "(0 failed, 5 denied)"),
            std::string::npos)
      << out;
}

TEST_F(TrafficCommands, AServiceThatIsReachedThroughARouteDoesNotLookIdle) {
  Edge edge = EdgeTo("post");
  edge.service = "post-v1.default.svc.cluster.local";
  Add(edge, {200, -1, ""}, {0, 0, 0, 90});
  Add(edge, {403, -1, "UAEX"}, {10});
  ASSERT_EQ(Run({"apply", "-f", "-"}, R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: versions}
spec:
  parentRefs: [{kind: Service, group: "", name: post}]
  rules: [{backendRefs: [{name: post-v1, port: 80}]}]
)"),
            0)
      << err;
  EXPECT_EQ(Run({"describe", "service", "post"}), 0) << err;
  EXPECT_NE(out.find("also to the services that its routes choose"), std::string::npos) << out;
  EXPECT_NE(out.find("web.shop   post-v1.default   100.00%"), std::string::npos) << out;
  EXPECT_NE(out.find("10 of the requests of web.shop to post-v1.default were denied or limited "
                     "(403 UAEX (10))"),
            std::string::npos)
      << out;
}

TEST_F(TrafficCommands, EdgesShowWhetherCallsAreByMutualTls) {
  AddShop();
  EXPECT_EQ(Run({"edges", "-n", "shop"}), 0) << err;
  EXPECT_EQ(out,
            "CALLER     SERVICE      IDENTITY     PROTOCOL   MTLS   SUCCESS   RPS    P99\n"
            "web.shop   cart.shop    cart.shop    http       yes    99.00%    10.0   5.0ms\n"
            "web.shop   post.shop    -            http       no     100.00%   0.10   995ms\n"
            "web.shop   redis.shop   redis.shop   tcp        yes    60.00%    0.08   -\n");
  EXPECT_EQ(Run({"edges", "-o", "wide"}), 0) << err;
  EXPECT_NE(out.find("600     6        0        503 UH (6)"), std::string::npos) << out;
  const std::string edges = out;
  EXPECT_EQ(Run({"stat", "--by", "edge", "-o", "wide"}), 0) << err;
  EXPECT_EQ(out, edges);
  EXPECT_EQ(Run({"edges", "-n", "other"}), 0);
  EXPECT_EQ(out, "");
  EXPECT_NE(err.find("No traffic in namespace other in the last 1m"), std::string::npos) << err;
  EXPECT_EQ(Run({"edges", "-n", "other", "-o", "json"}), 0);
  EXPECT_EQ(out.find("cart"), std::string::npos) << out;
}

TEST_F(TrafficCommands, StatOfANamespaceShowsItsServicesAlone) {
  Edge foreign = EdgeTo("payments");
  foreign.service = "payments.bank.svc.cluster.local";
  Add(foreign, {200, -1, ""}, {1});
  EXPECT_EQ(Run({"stat", "-n", "shop"}), 0);
  EXPECT_EQ(out, "") << "the calls of this namespace alone say nothing of the service";
  EXPECT_EQ(Run({"edges", "-n", "shop"}), 0);
  EXPECT_NE(out.find("payments.bank"), std::string::npos) << out;
}

TEST_F(TrafficCommands, FailuresComeBeforeWhatCallersDidWrong) {
  Add(EdgeTo("cart"), {404, -1, ""}, {1000});
  Add(EdgeTo("cart"), {500, -1, ""}, {5});
  EXPECT_EQ(Run({"stat", "-o", "wide"}), 0);
  EXPECT_NE(out.find("500 (5)"), std::string::npos) << out;
}

TEST_F(TrafficCommands, ACountOfRefreshesIsForWatching) {
  EXPECT_EQ(Run({"stat", "--count", "3"}), 1);
  EXPECT_NE(err.find("--watch"), std::string::npos) << err;
}

TEST_F(TrafficCommands, RowsAreChosenByServiceAndCaller) {
  AddShop();
  Edge other = EdgeTo("cart");
  other.source = "spiffe://cluster.local/ns/bank/sa/teller";
  Add(other, {200, -1, ""}, {60});
  Edge stranger = EdgeTo("cart", false);
  stranger.source.clear();
  stranger.outbound = false;
  Add(stranger, {200, -1, ""}, {60});
  const auto rows = [this](std::vector<std::string> arguments) {
    EXPECT_EQ(Run(std::move(arguments)), 0) << err;
    return std::count(out.begin(), out.end(), '\n') - 1;
  };
  EXPECT_EQ(rows({"edges"}), 5);
  EXPECT_EQ(rows({"edges", "cart.shop"}), 3);
  EXPECT_EQ(rows({"edges", "--to", "cart"}), 3);
  EXPECT_EQ(rows({"edges", "cart", "--from", "teller.bank"}), 1);
  EXPECT_EQ(rows({"edges", "--from", "teller", "-n", "bank"}), 1);
  EXPECT_EQ(rows({"edges", "--from", "unknown"}), 1);
  EXPECT_EQ(rows({"edges", "--from", "spiffe://cluster.local/ns/bank/sa/teller"}), 1);
  EXPECT_EQ(rows({"stat", "cart"}), 1);
  EXPECT_NE(out.find("cart.shop   99.16%    12.0"), std::string::npos) << out;
  EXPECT_EQ(rows({"stat", "cart", "--from", "teller.bank"}), 1);
  EXPECT_NE(out.find("100.00%   1.0"), std::string::npos) << out;
  EXPECT_EQ(Run({"stat", "nothing", "--from", "teller.bank"}), 0);
  EXPECT_NE(err.find("No traffic from teller.bank to nothing in the last"), std::string::npos)
      << err;
  EXPECT_EQ(Run({"stat", "cart", "--to", "post"}), 1);
  EXPECT_EQ(Run({"stat", "--by", "day"}), 1);
}

TEST_F(TrafficCommands, StatByRouteShowsEachBackend) {
  const auto add = [this](const char* backend, const char* route, const char* called,
                          uint32_t requests) {
    Edge edge = EdgeTo(backend);
    edge.route = route;
    edge.called = called;
    Add(edge, {200, -1, ""}, {0, 0, 0, requests});
    edge.source = "spiffe://cluster.local/ns/shop/sa/batch";
    Add(edge, {503, -1, "UH"}, {0, requests / 9});
  };
  const char* cart = "cart.shop.svc.cluster.local";
  add("cart-v1", "shop/split[0][0]", cart, 540);
  add("cart-v2", "shop/split[0][0]", cart, 54);
  add("post", "default", "", 9);
  EXPECT_EQ(Run({"stat", "--by", "route"}), 0) << err;
  EXPECT_EQ(
      out,
      "SERVICE     ROUTE              BACKEND        SUCCESS   RPS    P50     P95     P99     "
      "CALLERS\n"
      "cart.shop   shop/split[0][0]   cart-v1.shop   90.00%    10.0   3.6ms   4.9ms   5.0ms   "
      "2\n"
      "cart.shop   shop/split[0][0]   cart-v2.shop   90.00%    1.0    3.6ms   4.9ms   5.0ms   "
      "2\n"
      "post.shop   default            post.shop      90.00%    0.17   3.6ms   4.9ms   5.0ms   "
      "2\n");
  EXPECT_EQ(Run({"stat", "cart", "--by", "route", "--from", "web.shop", "-o", "json"}), 0) << err;
  const auto json = nlohmann::json::parse(out);
  ASSERT_EQ(json["links"].size(), 2) << out;
  EXPECT_EQ(json["links"][1]["backend"]["name"], "cart-v2");
}

TEST_F(TrafficCommands, AWatchOutlivesTheServer) {
  AddShop();
  int pauses = 0;
  on_pause = [&] {
    ++pauses;
    is_unreachable = pauses == 1 || pauses == 2;
  };
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"stat"}, {"edges"}, {"stat", "--by", "route"}, {"errors"}}) {
    pauses = 0;
    is_unreachable = false;
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--watch", "--count", "3"});
    EXPECT_EQ(Run(arguments), 0) << command[0] << ": " << err;
    EXPECT_EQ(pauses, 4) << "two rounds were tried again";
    const std::string warning = "Trying again";
    const size_t first = err.find(warning);
    ASSERT_NE(first, std::string::npos) << err;
    EXPECT_EQ(err.find(warning, first + 1), std::string::npos) << "said once: " << err;
  }
  is_unreachable = true;
  EXPECT_EQ(Run({"stat", "--watch"}), 1) << "who cannot connect at first is told";
}

TEST_F(TrafficCommands, AWatchEndsWhenItIsRefused) {
  AddShop();
  on_pause = [this] { ASSERT_TRUE(credentials_.Delete("ann", "test", kNow).ok()); };
  EXPECT_EQ(Run({"stat", "-w"}), 1);
  EXPECT_NE(err.find("rejected the credential"), std::string::npos) << err;
}

TEST_F(TrafficCommands, ATerminalShowsTheLastRoundWhileTheServerIsSilent) {
  AddShop();
  width = 120;
  on_pause = [this] { is_unreachable = !is_unreachable; };
  EXPECT_EQ(Run({"stat", "--watch", "--count", "2"}), 0) << err;
  size_t screens = 0;
  for (size_t at = out.find("\x1b[H"); at != std::string::npos; at = out.find("\x1b[H", at + 1))
    ++screens;
  EXPECT_EQ(screens, 2) << "the round that failed has cleared nothing";
}

TEST_F(TrafficCommands, TheTimeWindowIsOfTheLastHour) {
  Add(EdgeTo("cart"), {200, -1, ""}, {1});
  traffic_.AddRequests(*traffic_.RowOf(EdgeTo("cart")), {200, -1, ""}, std::vector<uint32_t>{5},
                       kNow - 1800);
  EXPECT_EQ(Run({"stat", "-t", "1h", "-o", "wide"}), 0) << err;
  EXPECT_EQ(Run({"stat", "-t", "2h"}), 1);
  EXPECT_NE(err.find("use at most 1h"), std::string::npos) << err;
  EXPECT_EQ(Run({"stat", "-t", "soon"}), 1);
}

TEST_F(TrafficCommands, ADashboardNeedsAControlPlaneThatHasOne) {
  EXPECT_EQ(Run({"dashboard"}), 1);
  EXPECT_NE(err.find("older version"), std::string::npos) << err;
  is_unreachable = true;
  EXPECT_EQ(Run({"dashboard"}), 1);
  EXPECT_NE(err.find("does not prove"), std::string::npos) << err;
}

}  // namespace
}  // namespace tulle::cli
