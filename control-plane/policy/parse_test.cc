#include "control-plane/policy/parse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tulle::policy {
namespace {

using std::chrono::milliseconds;

// The problem at `field`, or an empty one.
Problem ProblemAt(const ParsedFile& parsed, const std::string& field) {
  for (const Problem& problem : parsed.problems) {
    if (problem.field == field) return problem;
  }
  return {};
}

std::string RouteYaml(const std::string& rules) {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: post}\n"
         "spec:\n  parentRefs: [{kind: Service, name: post}]\n  rules:\n" +
         rules;
}

std::string TulleYaml(const std::string& kind, const std::string& spec) {
  return "apiVersion: tulle.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: x}\nspec:\n" + spec;
}

TEST(Parse, AnObjectIsReadAsItsText) {
  const char* specs[] = {
      R"({"targetRef":{"kind":"Service","name":"web"},"action":"DENY","rules":[{}]})",
      R"({"targetRef":{"kind":"Service","name":"web"},"action":"DENY","rules":[]})",
      R"({"targetRef":{"kind":"Service","name":null},"action":true,"rules":[{"to":{"ports":["1"]}}]})",
      R"({"targetRef":[],"action":7,"rules":[{"to":{"ports":[1.5, 80]}}],"odd":{"a":[{}]}})",
      R"([])",
      "null",
      R"("x\u0000")"};
  for (const char* spec : specs) {
    const nlohmann::json object{{"apiVersion", kTulleApiVersion},
                                {"kind", "AuthorizationPolicy"},
                                {"metadata", {{"name", "x"}, {"namespace", "shop"}}},
                                {"spec", nlohmann::json::parse(spec)}};
    const ParsedFile read = ParseObject(object, "shop");
    const ParsedFile text = ParseDocuments(object.dump(), "", "shop");
    ASSERT_EQ(read.ok(), text.ok()) << spec;
    if (read.ok()) {
      EXPECT_TRUE(read.documents[0].SameAs(text.documents[0])) << spec;
    }
    ASSERT_EQ(read.problems.size(), text.problems.size()) << spec;
    for (size_t i = 0; i < read.problems.size(); ++i) {
      EXPECT_EQ(read.problems[i].field, text.problems[i].field);
      EXPECT_EQ(read.problems[i].message, text.problems[i].message);
      EXPECT_EQ(read.problems[i].hint, text.problems[i].hint);
      EXPECT_EQ(read.problems[i].line, 0);
    }
  }
}

TEST(Parse, TheShapeOfAnObjectHasLimits) {
  nlohmann::json deep = 1;
  for (int i = 0; i < 40; ++i) deep = nlohmann::json{{"a", std::move(deep)}};
  EXPECT_EQ(ParseObject(deep, "shop").problems[0].message, "nested too deeply");
  const nlohmann::json wide = std::vector<int>(200000, 1);
  const ParsedFile parsed = ParseObject({{"spec", wide}}, "shop");
  ASSERT_EQ(parsed.problems.size(), 1u);
  EXPECT_EQ(parsed.problems[0].message, "too many values");
}

TEST(Parse, ReportsEachProblemOnce) {
  const auto problems = [](const std::string& text) {
    return ParseDocuments(text, "x.yaml", "default").problems;
  };
  const Problems untyped =
      problems(RouteYaml("  - filters:\n    - requestHeaderModifier: {remove: [x-a]}\n"));
  ASSERT_EQ(untyped.size(), 1u);
  EXPECT_EQ(untyped[0].field, "spec.rules[0].filters[0].type");
  EXPECT_EQ(problems(TulleYaml("PeerAuthentication",
                               "  targetRef: {kind: [a], name: a}\n  mode: STRICT\n"))
                .size(),
            1u);
}

TEST(Parse, TheNameOfARuleIsUniqueInItsRoute) {
  EXPECT_TRUE(
      ParseDocuments(RouteYaml("  - {name: a.b}\n  - {name: c}\n  - {}\n  - {}\n"), "f").ok());
  const ParsedFile twice = ParseDocuments(RouteYaml("  - {name: a}\n  - {name: a}\n"), "f");
  EXPECT_EQ(ProblemAt(twice, "spec.rules[1].name").message, "duplicate element");
  const ParsedFile invalid = ParseDocuments(RouteYaml("  - {name: A_b}\n"), "f");
  EXPECT_EQ(ProblemAt(invalid, "spec.rules[0].name").message, "invalid name \"A_b\"");
}

TEST(Parse, ABackendHasFiltersOfHeadersOnly) {
  const auto parse = [](const std::string& filter) {
    return ParseDocuments(
        RouteYaml("  - backendRefs: [{name: a, port: 80, filters: [" + filter + "]}]\n"), "f");
  };
  const ParsedFile good =
      parse("{type: RequestHeaderModifier, requestHeaderModifier: {remove: [x-a]}}");
  ASSERT_TRUE(good.ok()) << ToText(good.problems);
  EXPECT_EQ(std::get<HttpRoute>(good.documents[0].spec).rules[0].backends[0].request_headers.remove,
            std::vector<std::string>{"x-a"});
  const std::string type = "spec.rules[0].backendRefs[0].filters[0].type";
  const Problem rewrite = ProblemAt(parse("{type: URLRewrite, urlRewrite: {hostname: a}}"), type);
  EXPECT_EQ(rewrite.message, "filter URLRewrite is not supported here");
  EXPECT_EQ(rewrite.hint, "move it to the filters of the rule");
  EXPECT_NE(ProblemAt(parse("{type: Cors}"), type).message, "");
}

TEST(Parse, ReadsGrpcRoutes) {
  const auto parse = [](const std::string& rules) {
    return ParseDocuments(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GRPCRoute\nmetadata: {name: a}\nspec: "
        "{parentRefs: [{group: '', kind: Service, name: a}], rules: [" +
            rules + "]}",
        "f");
  };
  const ParsedFile parsed = parse(
      "{name: add, matches: [{method: {service: shop.v1.Cart, method: Add}, headers: [{name: a, "
      "value: b}]}, {method: {type: RegularExpression, service: 'shop.*'}}], backendRefs: [{name: "
      "cart, port: 80}]}, {}");
  ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
  EXPECT_EQ(parsed.documents[0].key.kind, Kind::kGrpcRoute);
  const Route& route = *RouteIn(parsed.documents[0]);
  EXPECT_EQ(route.rules[0].matches[0].rpc, (RpcMatch{"shop.v1.Cart", "Add", false}));
  EXPECT_EQ(PatternOf(*route.rules[0].matches[1].rpc), "/(?:shop.*)/[^/]+");
  EXPECT_EQ(PatternOf({"", "Add", false}), "/[^/]+/Add");
  EXPECT_EQ(route.rules[1].matches.size(), 1u) << "every call";

  const auto problem = [&](const std::string& match, const std::string& field) {
    return ProblemAt(parse("{matches: [" + match + "]}"), "spec.rules[0].matches[0]." + field)
        .message;
  };
  EXPECT_EQ(problem("{method: {service: a/b}}", "method.service"), "invalid gRPC service \"a/b\"");
  EXPECT_EQ(problem("{method: {service: a..b}}", "method.service"),
            "invalid gRPC service \"a..b\"");
  EXPECT_EQ(problem("{method: {method: 1a}}", "method.method"), "invalid gRPC method \"1a\"");
  EXPECT_NE(problem("{method: {type: RegularExpression, method: '('}}", "method.method"), "");
  EXPECT_NE(problem("{path: {value: /a}}", "path"), "");
  EXPECT_NE(ProblemAt(parse("{matches: [{method: {type: Exact}}]}"),
                      "spec.rules[0].matches[0].method.service")
                .message,
            "");
  EXPECT_NE(ProblemAt(parse("{timeouts: {request: 1s}}"), "spec.rules[0].timeouts").message, "");
  EXPECT_NE(ProblemAt(parse("{filters: [{type: URLRewrite, urlRewrite: {hostname: a}}]}"),
                      "spec.rules[0].filters[0].type")
                .message,
            "");
}

TEST(Parse, AMirrorHasAPercentOrAFraction) {
  const auto parse = [](const std::string& share) {
    return ParseDocuments(RouteYaml("  - filters: [{type: RequestMirror, requestMirror: "
                                    "{backendRef: {name: a, port: 80}" +
                                    share + "}}]\n"),
                          "f");
  };
  const ParsedFile good = parse(", fraction: {numerator: 1, denominator: 1000}");
  ASSERT_TRUE(good.ok()) << ToText(good.problems);
  EXPECT_EQ(RouteIn(good.documents[0])->rules[0].mirrors[0].fraction, (Fraction{1, 1000}));
  const std::string at = "spec.rules[0].filters[0].requestMirror.fraction";
  EXPECT_NE(ProblemAt(parse(", fraction: {numerator: 101}"), at + ".numerator").message, "");
  EXPECT_NE(ProblemAt(parse(", percent: 1, fraction: {numerator: 1}"), at).message, "");
}

TEST(Parse, PartsOfTheGatewayApiThatAreNotSupportedAreRefusedOnce) {
  const ParsedFile cors = ParseDocuments(
      RouteYaml("  - {filters: [{type: CORS, cors: {allowOrigins: ['*']}}]}\n"), "f");
  ASSERT_EQ(cors.problems.size(), 1u);
  EXPECT_EQ(cors.problems[0].field, "spec.rules[0].filters[0].type");
  EXPECT_EQ(cors.problems[0].message, "filter CORS is not supported in this version");
  EXPECT_EQ(cors.problems[0].hint,
            "remove it; supported are RequestHeaderModifier, ResponseHeaderModifier, "
            "RequestRedirect, URLRewrite, RequestMirror");
  const ParsedFile section = ParseDocuments(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: "
      "{parentRefs: [{kind: Service, name: a, sectionName: b}], rules: [{}]}",
      "f");
  EXPECT_EQ(ProblemAt(section, "spec.parentRefs[0].sectionName").hint, "use port");
}

TEST(Parse, ReadsEveryKindOfSeveralDocuments) {
  const ParsedFile parsed = ParseDocuments(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post, namespace: shop, labels: {team: blog}}
spec:
  parentRefs: [{kind: Service, name: post, port: 8080}]
  hostnames: [posts.example.org]
  rules:
  - matches:
    - path: {type: Exact, value: /new}
      method: POST
      headers: [{name: x-beta, value: "1"}]
      queryParams: [{type: RegularExpression, name: q, value: "a+"}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: x-a, value: b}], remove: [x-c]}
    backendRefs: [{name: post-v1, port: 8080, weight: 90}, {name: post-v2, port: 8080, weight: 10}]
    timeouts: {request: 2s, backendRequest: 500ms}
    retry: {attempts: 3, codes: [503], backoff: 10ms}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  timeouts: {connect: 1s, request: 15s, perTry: 2s, idle: 5m}
  retries: {attempts: 2, on: [reset], backoff: {base: 25ms, max: 1s}, budget: {percent: 10, minConcurrent: 5}}
  breaker: {consecutiveFailures: 7, on: all5xx, openFor: 2s, maxOpenFor: 1m, maxOpenPercent: 50}
  limits: {perClientMaxConnections: 10, perClientMaxPendingRequests: 0, perClientMaxRequests: 20}
  loadBalancing: leastRequest
  pools: {idleTimeout: 1m, maxRequestsPerConnection: 100, maxConnectionAge: 1h}
---
---
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  action: ALLOW
  rules:
  - from: {principals: [ns/default/sa/gateway], namespaces: [default]}
    to: {methods: [GET], paths: [/posts/*], ports: [8080]}
---
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: all}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
---
apiVersion: tulle.dev/v1alpha1
kind: ExternalService
metadata: {name: bank}
spec: {hosts: [api.bank.example], ports: [{number: 443, protocol: tcp}], endpoints: [192.0.2.7]}
)",
                                           "all.yaml");
  ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
  ASSERT_EQ(parsed.documents.size(), 5);
  const auto& route = std::get<HttpRoute>(parsed.documents[0].spec);
  EXPECT_EQ(parsed.documents[0].key, (DocumentKey{Kind::kHttpRoute, "shop", "post"}));
  EXPECT_EQ(route.parents[0], (ParentRef{{"shop", "post"}, 8080}));
  const RouteRule& rule = route.rules[0];
  EXPECT_EQ(rule.matches[0].path.type, PathMatchType::kExact);
  EXPECT_TRUE(rule.matches[0].query_params[0].is_regex);
  EXPECT_EQ(rule.backends[1].weight, 10);
  EXPECT_EQ(rule.backend_request_timeout, milliseconds(500));
  EXPECT_EQ(rule.retry->attempts, 3);
  const auto& resilience = std::get<ResiliencePolicy>(parsed.documents[1].spec);
  EXPECT_EQ(resilience.timeouts.idle, milliseconds(300000));
  EXPECT_EQ(resilience.limits.max_pending_requests, 0);
  EXPECT_EQ(resilience.breaker.on, BreakerTrigger::kAll5xx);
  EXPECT_EQ(parsed.documents[2].line, 34);
  EXPECT_EQ(std::get<PeerAuthentication>(parsed.documents[3].spec).mode, MtlsMode::kStrict);
  EXPECT_EQ(std::get<ExternalService>(parsed.documents[4].spec).ports[0].number, 443);
}

TEST(Parse, UnknownFieldsAreLocatedAndASimilarNameIsSuggested) {
  const ParsedFile parsed = ParseDocuments(
      TulleYaml("ResiliencePolicy",
                "  targetRef: {kind: Service, name: post}\n  timeout: {request: 2s}\n"),
      "shop.yaml");
  const Problem problem = ProblemAt(parsed, "spec.timeout");
  EXPECT_EQ(problem.line, 6);
  EXPECT_EQ(problem.column, 3);
  EXPECT_EQ(problem.file, "shop.yaml");
  EXPECT_EQ(problem.message, "unknown field");
  EXPECT_NE(problem.hint.find("did you mean timeouts?"), std::string::npos);
  EXPECT_TRUE(ToText(problem).starts_with("shop.yaml:6:3: spec.timeout: unknown field; "));
}

TEST(Parse, AllProblemsOfAFileAreReportedAndNothingIsKept) {
  const ParsedFile parsed = ParseDocuments(
      TulleYaml("PeerAuthentication", "  targetRef: {kind: Mesh}\n  mode: STRICT\n") + "---\n" +
          TulleYaml("PeerAuthentication", "  targetRef: {kind: Pod}\n  mode: strict\n") + "---\n" +
          RouteYaml("  - timeouts: {request: 2}\n    backendRefs: [{name: Post, weight: -1}]\n"),
      "f");
  EXPECT_TRUE(parsed.documents.empty());
  EXPECT_EQ(parsed.problems.size(), 6) << ToText(parsed.problems);
  EXPECT_NE(ProblemAt(parsed, "spec.targetRef.kind").hint.find("Service, Namespace, Mesh"),
            std::string::npos);
  EXPECT_NE(ProblemAt(parsed, "spec.mode").hint.find("did you mean STRICT?"), std::string::npos);
  EXPECT_NE(ProblemAt(parsed, "spec.rules[0].timeouts.request").hint.find("2s"), std::string::npos);
  EXPECT_FALSE(ProblemAt(parsed, "spec.rules[0].backendRefs[0].port").message.empty());
  EXPECT_FALSE(ProblemAt(parsed, "spec.rules[0].backendRefs[0].name").message.empty());
  EXPECT_FALSE(ProblemAt(parsed, "spec.rules[0].backendRefs[0].weight").message.empty());
}

TEST(Parse, InvalidValuesAreReportedAtTheirFields) {
  struct Case {
    std::string text;
    std::string field;
  };
  const std::string target = "  targetRef: {kind: Service, name: post}\n";
  const Case cases[] = {
      {"kind: Foo\napiVersion: v1\nmetadata: {name: x}\nspec: {}\n", "kind"},
      {"kind: HTTPRoute\napiVersion: gateway.networking.k8s.io/v1beta1\nmetadata: {name: x}\nspec: "
       "{}\n",
       "apiVersion"},
      {TulleYaml("ResiliencePolicy", "  loadBalancing: fastest\n"), "spec.targetRef"},
      {TulleYaml("ResiliencePolicy", target + "  loadBalancing: fastest\n"), "spec.loadBalancing"},
      {TulleYaml("ResiliencePolicy", target + "  loadBalancing: consistentHash\n"), "spec.hashOn"},
      {TulleYaml("ResiliencePolicy", target + "  hashOn: {header: x}\n"), "spec.hashOn"},
      {TulleYaml(
           "ResiliencePolicy",
           target + "  loadBalancing: consistentHash\n  hashOn: {header: x, sourceIp: true}\n"),
       "spec.hashOn"},
      {TulleYaml("ResiliencePolicy",
                 target + "  loadBalancing: peakEwma\n  slowStart: {window: 10s}\n"),
       "spec.slowStart"},
      {TulleYaml("ResiliencePolicy", target + "  healthCheck: {path: healthz}\n"),
       "spec.healthCheck.path"},
      {TulleYaml("ResiliencePolicy", target + "  healthCheck: {protocol: tcp, path: /}\n"),
       "spec.healthCheck.path"},
      {TulleYaml("ResiliencePolicy", target + "  retries: {on: [conect-failure]}\n"),
       "spec.retries.on[0]"},
      {TulleYaml("ResiliencePolicy", target + "  retries: {attempts: \"2\"}\n"),
       "spec.retries.attempts"},
      {TulleYaml("ResiliencePolicy", target + "  timeouts: {request: 1s, perTry: 2s}\n"),
       "spec.timeouts.perTry"},
      {TulleYaml("ResiliencePolicy", target + "  timeouts: {connect: 0s}\n"),
       "spec.timeouts.connect"},
      {TulleYaml("ResiliencePolicy", target + "  breaker: {openFor: 5s, maxOpenFor: 1s}\n"),
       "spec.breaker.maxOpenFor"},
      {TulleYaml("ResiliencePolicy",
                 "  targetRef: {kind: Service, name: post, namespace: other}\n"),
       "spec.targetRef.namespace"},
      {TulleYaml("AuthorizationPolicy", target + "  action: DENY\n"), "spec.rules"},
      {TulleYaml("AuthorizationPolicy", target + "  rules: []\n"), "spec.action"},
      {TulleYaml("AuthorizationPolicy",
                 target + "  action: ALLOW\n  rules: [{from: {principals: [bob]}}]\n"),
       "spec.rules[0].from.principals[0]"},
      {TulleYaml("AuthorizationPolicy",
                 target + "  action: ALLOW\n  rules: [{to: {paths: [\"/a/*/b\"]}}]\n"),
       "spec.rules[0].to.paths[0]"},
      {TulleYaml("AuthorizationPolicy", target + "  action: ALLOW\n  rules: [{from: {}}]\n"),
       "spec.rules[0].from.principals"},
      {RouteYaml("  - matches: [{path: {type: RegularExpression, value: \"(a\"}}]\n"),
       "spec.rules[0].matches[0].path.value"},
      {RouteYaml("  - matches: [{path: {value: /a/../b}}]\n"),
       "spec.rules[0].matches[0].path.value"},
      {RouteYaml("  - matches: [{method: get}]\n"), "spec.rules[0].matches[0].method"},
      {RouteYaml("  - filters: [{type: RequestRedirect}]\n"),
       "spec.rules[0].filters[0].requestRedirect"},
      {RouteYaml("  - timeouts: {request: 1s, backendRequest: 2s}\n"),
       "spec.rules[0].timeouts.backendRequest"},
      {RouteYaml("  - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: "
                 "Transfer-Encoding, value: x}]}}]\n"),
       "spec.rules[0].filters[0].requestHeaderModifier.set[0].name"},
      {RouteYaml("  - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: "
                 "x-a, value: \"a\\r\\nb\"}]}}]\n"),
       "spec.rules[0].filters[0].requestHeaderModifier.set[0].value"},
  };
  for (const Case& each : cases) {
    const ParsedFile parsed = ParseDocuments(each.text, "f");
    const Problem problem = ProblemAt(parsed, each.field);
    EXPECT_FALSE(problem.message.empty()) << each.text << ToText(parsed.problems);
    EXPECT_GT(problem.line, 0) << each.text;
    EXPECT_FALSE(problem.hint.empty()) << each.text;
  }
}

std::string Repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += (i == 0 ? "" : ", ") + text;
  return all;
}

// One such policy would freeze the routes of the whole mesh.
TEST(Parse, WhatSidecarsRejectIsRejected) {
  const auto rule = [](const std::string& text) { return RouteYaml("  - {" + text + "}\n"); };
  const auto resilience = [](const std::string& text) {
    return TulleYaml("ResiliencePolicy",
                     "  targetRef: {kind: Service, name: post}\n  " + text + "\n");
  };
  const auto cookie = [&](const std::string& text) {
    return resilience("loadBalancing: consistentHash\n  hashOn: {cookie: {" + text + "}}");
  };
  const auto telemetry = [](const std::string& collector) {
    return TulleYaml("TelemetryPolicy",
                     "  targetRef: {kind: Mesh}\n  tracing: {collector: \"" + collector + "\"}\n");
  };
  const std::string value = "spec.rules[0].matches[0].path.value";
  const std::string mirror =
      "{type: RequestMirror, requestMirror: {backendRef: {name: a, port: 80}}}";
  const std::pair<std::string, std::string> cases[] = {
      {rule("matches: [{path: {type: RegularExpression, value: \"\"}}]"), value},
      {rule("matches: [{path: {type: RegularExpression, value: '\\pL{30}'}}]"), value},
      {rule("matches: [{path: {value: \"/a b\"}}]"), value},
      {rule("matches: [{path: {value: /" + std::string(1024, 'a') + "}}]"), value},
      {rule("filters: [" + Repeated(mirror, 3) + "]"), "spec.rules[0].filters"},
      {rule("retry: {backoff: 0s}"), "spec.rules[0].retry.backoff"},
      {rule("timeouts: {request: 87601h}"), "spec.rules[0].timeouts.request"},
      {rule("filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [TE]}}]"),
       "spec.rules[0].filters[0].responseHeaderModifier.remove[0]"},
      {resilience("timeouts: {request: 99999h}"), "spec.timeouts.request"},
      {resilience("healthCheck: {path: \"/a b\"}"), "spec.healthCheck.path"},
      {cookie("name: \"a\\nb\""), "spec.hashOn.cookie.name"},
      {cookie("name: a, path: \"/;\""), "spec.hashOn.cookie.path"},
      {resilience("loadBalancing: consistentHash\n  hashOn: {header: \"a b\"}"),
       "spec.hashOn.header"},
      {telemetry("[a b]:4317"), "spec.tracing.collector"},
      {telemetry("otel.default.svc.cluster.local:4317"), "spec.tracing.collector"},
      {telemetry("10.0.0.7:4318/v1/traces"), "spec.tracing.collector"},
      {telemetry("10.0.0.7:9411/a b\", protocol: \"zipkin"), "spec.tracing.collector"},
      {telemetry("otel.default.svc.cluster.local:9411/x\", protocol: \"zipkin"),
       "spec.tracing.collector"},
      {TulleYaml("TelemetryPolicy", "  targetRef: {kind: Mesh}\n  tracing: {protocol: zipkin}\n"),
       "spec.tracing.protocol"},
  };
  for (const auto& [text, field] : cases) {
    const ParsedFile parsed = ParseDocuments(text, "f");
    EXPECT_FALSE(ProblemAt(parsed, field).hint.empty()) << text << ToText(parsed.problems);
  }
  for (const std::string& good :
       {rule("filters: [" + Repeated(mirror, 2) + "]"), rule("timeouts: {request: 87600h}"),
        cookie("name: a, path: /shop"), telemetry("[::1]:4317"),
        telemetry("[::1]:9411/api/v2/spans\", protocol: \"zipkin"),
        telemetry("10.0.0.7:4318\", protocol: \"otlp-http"),
        resilience("loadBalancing: consistentHash\n  hashOn: {header: \":path\"}")}) {
    const ParsedFile parsed = ParseDocuments(good, "f");
    EXPECT_TRUE(parsed.ok()) << good << ToText(parsed.problems);
  }
}

TEST(Parse, HostNamesOfTheMeshAreRejected) {
  for (const char* host :
       {"post.default.svc.cluster.local", "Post.Default.svc.Cluster.Local",
        "post.default.svc.cluster.local.", "cluster.local", "post.default.svc"}) {
    for (const char* how :
         {"endpoints: [192.0.2.1]", "resolution: DNS", "resolution: LOGICAL_DNS"}) {
      const ParsedFile parsed = ParseDocuments(
          TulleYaml("ExternalService", "  hosts: [a.example, " + std::string(host) +
                                           "]\n  ports: [{number: 80, protocol: http}]\n  " + how +
                                           "\n"),
          "f");
      EXPECT_NE(ProblemAt(parsed, "spec.hosts[1]").message.find("belongs to the mesh"),
                std::string::npos)
          << host << how;
    }
  }
  const ParsedFile route = ParseDocuments(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: "
      "{parentRefs: [{kind: Service, name: a}], hostnames: [user.default.svc.cluster.local], "
      "rules: [{}]}\n",
      "f");
  EXPECT_FALSE(ProblemAt(route, "spec.hostnames[0]").message.empty());
}

TEST(Parse, EncryptedPortsOfExternalServicesAreTcp) {
  const ParsedFile parsed =
      ParseDocuments(TulleYaml("ExternalService",
                               "  hosts: [a.example]\n  ports: [{number: 443, protocol: HTTPS}]\n"),
                     "f");
  EXPECT_EQ(
      ProblemAt(parsed, "spec.ports[0].protocol").hint,
      "use tcp: the application encrypts the connection itself, and its bytes pass unchanged");
}

TEST(Parse, DuplicateFiltersAndEmptyListsAreRejected) {
  const std::string redirect = "{type: RequestRedirect, requestRedirect: {port: 1}}";
  const std::string rewrite = "{type: URLRewrite, urlRewrite: {hostname: a.example}}";
  for (const std::string& filter : {redirect, rewrite}) {
    const ParsedFile parsed =
        ParseDocuments(RouteYaml("  - filters: [" + Repeated(filter, 2) + "]\n"), "f");
    EXPECT_EQ(ProblemAt(parsed, "spec.rules[0].filters[1].type").message, "duplicate filter");
  }
  for (const char* empty :
       {"parentRefs: [], rules: [{}]", "parentRefs: [{kind: Service, name: a}], rules: []"}) {
    const ParsedFile parsed = ParseDocuments(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\nspec: {" +
            std::string(empty) + "}\n",
        "f");
    EXPECT_FALSE(parsed.ok()) << empty;
  }
}

TEST(Parse, OnlyUtf8IsAccepted) {
  const std::string text = TulleYaml("PeerAuthentication",
                                     "  targetRef: {kind: Mesh}\n  mode: "
                                     "STRICT\n");
  EXPECT_TRUE(ParseDocuments("# \xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80\n" + text, "f").ok());
  for (const char* bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    EXPECT_FALSE(ParseDocuments("# " + std::string(bad) + "\n" + text, "f").ok());
  }
}

TEST(Parse, LocalitiesHaveExactlyOneField) {
  const auto read = [](const std::string& localities, const std::string& more = "") {
    return ParseDocuments(
        TulleYaml("ResiliencePolicy", "  targetRef: {kind: Service, name: x}\n" + more +
                                          "  localities: " + localities + "\n"),
        "f");
  };
  for (const char* good : {"{preferOwn: true}", "{priorities: [eu/a/1, eu, us]}",
                           "{weights: [{locality: eu/a, weight: 3}, {locality: us}]}"}) {
    EXPECT_TRUE(read(good).ok()) << ToText(read(good).problems);
  }
  for (const char* bad :
       {"{}", "{preferOwn: false}", "{preferOwn: true, priorities: [eu]}", "{priorities: [eu//a]}",
        "{priorities: [a/b/c/d]}", "{priorities: [\"\"]}", "{weights: [{weight: 3}]}",
        "{weights: [{locality: eu, weight: 0}]}", "{weights: [{locality: \"e u\"}]}"}) {
    EXPECT_FALSE(read(bad).ok()) << bad;
  }
  EXPECT_FALSE(read("{weights: [{locality: eu}]}", "  loadBalancing: peakEwma\n").ok());
}

TEST(Parse, EgressPolicyRequiresTargetAndAction) {
  const ParsedFile parsed = ParseDocuments(
      TulleYaml("EgressPolicy", "  targetRef: {kind: Mesh}\n  unknownDestinations: DENY\n"), "f");
  ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
  const auto& policy = std::get<EgressPolicy>(parsed.documents[0].spec);
  EXPECT_EQ(policy.target.kind, TargetKind::kMesh);
  EXPECT_EQ(policy.unknown, UnknownDestinations::kDeny);
  const auto bad = [](const std::string& spec) {
    return ParseDocuments(TulleYaml("EgressPolicy", spec), "f");
  };
  EXPECT_EQ(ProblemAt(bad("  targetRef: {kind: Mesh}\n"), "spec.unknownDestinations").hint,
            "set it to ALLOW or DENY");
  EXPECT_FALSE(bad("  targetRef: {kind: Mesh}\n  unknownDestinations: deny\n").ok());
  EXPECT_FALSE(bad("  unknownDestinations: DENY\n").ok());
}

TEST(Parse, EndpointsOfExternalServicesExcludeDns) {
  const std::string spec = "  hosts: [a.example]\n  ports: [{number: 80, protocol: http}]\n";
  const ParsedFile both = ParseDocuments(
      TulleYaml("ExternalService", spec + "  endpoints: [192.0.2.1]\n  resolution: DNS\n"), "f");
  EXPECT_NE(
      ProblemAt(both, "spec.endpoints").message.find("cannot be combined with resolution by DNS"),
      std::string::npos);
}

TEST(Parse, ShapeIsBoundedBeforeATreeIsBuilt) {
  EXPECT_FALSE(ParseDocuments(std::string(kMostFileBytes + 1, '#'), "f").ok());
  EXPECT_FALSE(ParseDocuments("a: &x 1\nb: *x\n", "f").ok());
  EXPECT_FALSE(ParseDocuments(std::string(100, '[') + std::string(100, ']'), "f").ok());
  std::string many;
  for (size_t i = 0; i <= kMostDocuments; ++i) many += "---\na: 1\n";
  const ParsedFile parsed = ParseDocuments(many, "f");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.problems[0].message, "too many documents");
}

TEST(Parse, InvalidYamlIsReportedWithItsLine) {
  const ParsedFile parsed = ParseDocuments("kind: A\n  b: : c\n\t- x\n", "f");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.problems[0].line, 2);
  EXPECT_FALSE(ParseDocuments("", "f").ok());
  EXPECT_FALSE(ParseDocuments("just text", "f").ok());
  EXPECT_FALSE(ParseDocuments("- 1\n- 2\n", "f").ok());
}

TEST(Parse, DuplicateFieldsAndDocumentsAreRejected) {
  const ParsedFile key =
      ParseDocuments(TulleYaml("PeerAuthentication",
                               "  targetRef: {kind: Mesh}\n  mode: STRICT\n  mode: PERMISSIVE\n"),
                     "f");
  EXPECT_EQ(ProblemAt(key, "spec.mode").message, "duplicate field");
  const std::string document =
      TulleYaml("PeerAuthentication", "  targetRef: {kind: Mesh}\n  mode: STRICT\n");
  const ParsedFile twins = ParseDocuments(document + "---\n" + document, "f");
  ASSERT_FALSE(twins.ok());
  EXPECT_EQ(twins.problems[0].line, 8);
}

TEST(Parse, APrefixLosesItsTrailingSlash) {
  const ParsedFile parsed = ParseDocuments(RouteYaml("  - matches: [{path: {value: /a/}}]\n"), "f");
  ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
  EXPECT_EQ(std::get<HttpRoute>(parsed.documents[0].spec).rules[0].matches[0].path.value, "/a");
}

TEST(Parse, LimitsFaultsAndFiltersAreExplained) {
  const auto refused = [](const std::string& kind, const std::string& spec) {
    const bool route = kind == "HTTPRoute";
    const std::string version = route ? "gateway.networking.k8s.io/v1" : "tulle.dev/v1alpha1";
    const ParsedFile parsed = ParseDocuments(
        "apiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: a}\nspec:\n" + spec,
        "f");
    return parsed.ok() ? std::string() : parsed.problems[0].field;
  };
  const std::string service = "  targetRef: {kind: Service, name: a}\n";
  EXPECT_EQ(refused("ResiliencePolicy", service + "  rateLimit: {per: 1s}\n"),
            "spec.rateLimit.requests");
  EXPECT_EQ(refused("ResiliencePolicy", service + "  rateLimit: {requests: 1, per: 1ms}\n"),
            "spec.rateLimit.per");
  EXPECT_EQ(refused("ResiliencePolicy", service + "  rateLimit: {requests: 1, key: header}\n"),
            "spec.rateLimit.key");
  EXPECT_EQ(refused("ResiliencePolicy", service + "  fault: {abort: {percent: 5}}\n"),
            "spec.fault.abort.status");
  EXPECT_EQ(refused("ResiliencePolicy", service + "  fault: {}\n"), "spec.fault.delay");
  EXPECT_EQ(refused("TelemetryPolicy", service + "  tracing: {collector: nowhere}\n"),
            "spec.tracing.collector");
  EXPECT_EQ(refused("TelemetryPolicy", service + "  tracing: {sampling: 101}\n"),
            "spec.tracing.sampling");
  EXPECT_EQ(refused("TelemetryPolicy", service + "  tracing: {slowerThan: 0s}\n"),
            "spec.tracing.slowerThan");
  EXPECT_EQ(refused("TelemetryPolicy", service + "  tracing: {rateLimit: 0}\n"),
            "spec.tracing.rateLimit");
  EXPECT_EQ(refused("TelemetryPolicy", service + "  tracing: {alwaysOnError: sometimes}\n"),
            "spec.tracing.alwaysOnError");
  EXPECT_EQ(refused("TelemetryPolicy", service + "  accessLog: {format: json, collector: here}\n"),
            "spec.accessLog.collector");
  EXPECT_EQ(refused("TelemetryPolicy",
                    service + "  accessLog: {format: off, collector: 'a.example:4317'}\n"),
            "spec.accessLog.collector");
  EXPECT_EQ(refused("TelemetryPolicy",
                    service + "  accessLog: {format: json, collector: 'a.example:4317/x'}\n"),
            "spec.accessLog.collector");
  EXPECT_EQ(refused("TelemetryPolicy", service + "  accessLog: {format: json, protocol: otlp}\n"),
            "spec.accessLog.protocol");
  EXPECT_EQ(refused("TelemetryPolicy",
                    service + "  accessLog: {format: json, collector: 'a.example:9411', protocol: "
                              "zipkin}\n"),
            "spec.accessLog.protocol");
  const std::string rule = "  parentRefs: [{kind: Service, name: a}]\n  rules:\n  - ";
  EXPECT_EQ(refused("HTTPRoute", rule + "matches: [{path: {type: Exact, value: /a}}]\n    filters: "
                                        "[{type: URLRewrite, urlRewrite: {path: {type: "
                                        "ReplacePrefixMatch, replacePrefixMatch: /b}}}]\n"),
            "spec.rules[0].filters");
  EXPECT_EQ(refused("HTTPRoute", rule + "filters: [{type: RequestRedirect, requestRedirect: "
                                        "{statusCode: 305}}]\n"),
            "spec.rules[0].filters[0].requestRedirect.statusCode");
  EXPECT_EQ(refused("HTTPRoute", rule + "filters: [{type: RequestMirror, requestMirror: {}}]\n"),
            "spec.rules[0].filters[0].requestMirror.backendRef");
}

// What is wrong, and nothing that follows from it.
TEST(Parse, OneMistakeIsOneProblem) {
  const auto problems = [](std::string_view kind, const std::string& spec) {
    std::string text;
    const auto parsed =
        ParseDocuments("apiVersion: tulle.dev/v1alpha1\nkind: " + std::string(kind) +
                           "\nmetadata: {name: a}\nspec:\n" + spec,
                       "f", "default");
    for (const Problem& problem : parsed.problems)
      text += problem.field + ": " + problem.message + " / " + problem.hint + "\n";
    return text;
  };
  const std::string service = "  targetRef: {kind: Service, name: a}\n";
  EXPECT_EQ(problems("ResiliencePolicy", service + "  fault: {abort: {status: 999}}\n"),
            "spec.fault.abort.status: invalid number \"999\" / must be a whole number between 200 "
            "and 599\n");
  const std::string twice = problems("ResiliencePolicy", service + "  a: 1\n  a: 2\n");
  EXPECT_EQ(std::count(twice.begin(), twice.end(), '\n'), 2) << twice;
  const std::string rule = "  parentRefs: [{kind: Service, name: a}]\n  rules:\n  - ";
  EXPECT_NE(problems("HTTPRoute", rule + "filters: [{type: RequestRedirect, requestRedirect: "
                                         "{statusCode: 200}}]\n")
                .find("unsupported value \"200\" / use 301, 302, 303, 307 or 308"),
            std::string::npos);
  EXPECT_NE(problems("PeerAuthentication",
                     "  targetRef: {kind: Service, name: a, namespace: b}\n  mode: STRICT\n")
                .find("cross-namespace references are not supported"),
            std::string::npos);
  EXPECT_NE(problems("HTTPRoute", rule + "matches: [{path: {type: RegularExpression, value: "
                                         "\"(\"}}]\n")
                .find("invalid regular expression: missing"),
            std::string::npos);
  EXPECT_NE(problems("ResiliencePolicy", "\ttargetRef: {}\n").find("tabs cannot be used"),
            std::string::npos)
      << problems("ResiliencePolicy", "\ttargetRef: {}\n");
}

}  // namespace
}  // namespace tulle::policy
