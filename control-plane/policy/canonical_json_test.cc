#include "control-plane/policy/canonical_json.h"

#include <gtest/gtest.h>

#include "control-plane/policy/parse.h"

namespace tulle::policy {
namespace {

constexpr char kAll[] = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post, labels: {team: "on"}, annotations: {note: "a: b"}}
spec:
  parentRefs: [{kind: Service, name: post, port: 8080}]
  hostnames: ["*.example.org"]
  rules:
  - matches: [{path: {type: RegularExpression, value: "/a.*"}, headers: [{name: x, value: "1"}]}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: " b"}]}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: a, value: ""}], remove: [c]}}
    backendRefs: [{name: post-v1, port: 8080, weight: 0}]
    timeouts: {request: 90s}
    retry: {attempts: 0}
  - {}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  timeouts: {request: 0s}
  retries: {attempts: 0, on: [5xx], backoff: {base: 25ms}, budget: {percent: 0}}
  breaker: {consecutiveFailures: 0, on: gatewayErrors}
  limits: {perClientMaxPendingRequests: 0}
  loadBalancing: roundRobin
  slowStart: {window: 30s, minWeightPercent: 5}
  healthCheck: {protocol: grpc, service: shop, interval: 5s, timeout: 1s, unhealthyAfter: 2, healthyAfter: 1}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: cart}
spec:
  targetRef: {kind: Service, name: cart}
  breaker: {panicBelowPercent: 30}
  loadBalancing: consistentHash
  hashOn: {cookie: {name: lb, ttl: 1h, path: /}}
  healthCheck: {path: /healthz}
  pools: {perClientMaxIdleConnections: 10}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: user}
spec: {targetRef: {kind: Service, name: user}, loadBalancing: consistentHash, hashOn: {sourceIp: true}}
---
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: none}
spec: {targetRef: {kind: Namespace}, action: ALLOW}
---
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: all}
spec: {targetRef: {kind: Service, name: x}, action: DENY, rules: [{}, {to: {ports: [1]}}]}
---
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: ns}
spec: {targetRef: {kind: Namespace}, mode: PERMISSIVE}
---
apiVersion: tulle.dev/v1alpha1
kind: ExternalService
metadata: {name: bank}
spec: {hosts: [a.example], ports: [{number: 80, protocol: grpc}], endpoints: ["::1", 192.0.2.1]}
---
apiVersion: tulle.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: all}
spec:
  targetRef: {kind: Mesh}
  tracing: {collector: "[2001:db8::7]:4318/v1/traces", protocol: otlp-http, sampling: 0.1, rateLimit: 5, alwaysOnError: false, slowerThan: 500ms}
  accessLog: {format: off}
---
apiVersion: tulle.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: failures}
spec:
  targetRef: {kind: Namespace}
  tracing: {sampling: 0, alwaysOnError: true}
  accessLog: {format: json, collector: "[2001:db8::7]:4318/v1/logs", protocol: otlp-http}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: near}
spec: {targetRef: {kind: Service, name: near}, localities: {preferOwn: true}}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: weighed}
spec:
  targetRef: {kind: Service, name: weighed}
  localities: {weights: [{locality: eu/a, weight: 80}, {locality: eu, weight: 20}]}
---
apiVersion: tulle.dev/v1alpha1
kind: EgressPolicy
metadata: {name: closed}
spec: {targetRef: {kind: Namespace}, unknownDestinations: DENY}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: limited}
spec:
  targetRef: {kind: Service, name: limited}
  localities: {priorities: [eu/a, us]}
  rateLimit: {requests: 100, per: 1m, burst: 200, key: header x-user}
  fault: {delay: {fixed: 2s, percent: 10}, abort: {status: 503}, headers: [{name: a, value: b}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: filters}
spec:
  parentRefs: [{kind: Service, name: limited}]
  rules:
  - filters: [{type: RequestRedirect, requestRedirect: {hostname: a.example, statusCode: 308}}]
  - filters:
    - {type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /x}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: b, port: 80}, percent: 5}}
    backendRefs: [{name: a, port: 80}]
)";

TEST(CanonicalJson, ReadsBackToTheSamePolicy) {
  const ParsedFile parsed = ParseDocuments(kAll, "f");
  ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
  for (const Document& document : parsed.documents) {
    for (const std::string& text : {ToJson(document), ToYaml(document)}) {
      const ParsedFile again = ParseDocuments(text, "again");
      ASSERT_TRUE(again.ok()) << ToText(again.problems) << text;
      EXPECT_TRUE(again.documents[0].SameAs(document)) << text;
      EXPECT_EQ(ToJson(again.documents[0]), ToJson(document));
    }
  }
}

TEST(CanonicalJson, AReferenceSaysItsNamespaceOnlyWhereItIsNotThePolicysOwn) {
  const ParsedFile parsed = ParseDocuments(
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a, namespace: "
      "shop}\nspec: {parentRefs: [{kind: Service, name: a}], rules: [{backendRefs: [{name: b, "
      "namespace: shop, port: 80}, {name: c, namespace: stock, port: 80}]}]}\n",
      "f");
  ASSERT_TRUE(parsed.ok()) << ToText(parsed.problems);
  const auto& backends = std::get<HttpRoute>(parsed.documents[0].spec).rules[0].backends;
  EXPECT_EQ(backends[0].service, (ServiceName{"shop", "b"}));
  EXPECT_EQ(backends[1].service, (ServiceName{"stock", "c"}));
  const std::string json = ToJson(parsed.documents[0]);
  EXPECT_NE(json.find(R"({"name":"b","port":80,"weight":1})"), std::string::npos) << json;
  EXPECT_NE(json.find(R"({"name":"c","namespace":"stock","port":80,"weight":1})"),
            std::string::npos)
      << json;
}

TEST(CanonicalJson, TheSamePolicyGivesTheSameBytes) {
  const ParsedFile one = ParseDocuments(
      "apiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: a}\n"
      "spec: {mode: STRICT, targetRef: {kind: Mesh}}\n",
      "f");
  const ParsedFile two = ParseDocuments(
      "kind: PeerAuthentication\nspec:\n  targetRef:\n    kind: Mesh\n  mode: 'STRICT'\n"
      "apiVersion: tulle.dev/v1alpha1\nmetadata: {namespace: default, name: a}\n",
      "f");
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(ToJson(one.documents[0]), ToJson(two.documents[0]));
  EXPECT_EQ(ToJson(one.documents[0]),
            R"({"apiVersion":"tulle.dev/v1alpha1","kind":"PeerAuthentication",)"
            R"("metadata":{"name":"a","namespace":"default"},)"
            R"("spec":{"mode":"STRICT","targetRef":{"kind":"Mesh"}}})");
}

}  // namespace
}  // namespace tulle::policy
