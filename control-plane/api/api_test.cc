#include "control-plane/api/api.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "certs/csr.h"
#include "control-plane/api/api_fixture.h"

namespace tulle::api {
namespace {

using Json = nlohmann::json;

class ApiTest : public ApiFixture {
 protected:
  ApiTest() : ApiFixture("1.2.3") {
    admin_ = "Bearer " + *credentials_.Create({"ann", Role::kAdmin}, "test", kNow);
    reader_ = "Bearer " + *credentials_.Create({"rob", Role::kReader}, "test", kNow);
  }

  ApiResponse Call(const std::string& method, const std::string& path, const std::string& body = "",
                   std::map<std::string, std::string> query = {}) {
    return api_.Handle({method, path, std::move(query), body, admin_}, kNow);
  }
  Json Body(const ApiResponse& response) { return Json::parse(response.WholeBody()); }

  std::string admin_;
  std::string reader_;
};

TEST_F(ApiTest, RolesAreKept) {
  const auto as = [&](const std::string& authorization, const std::string& method,
                      const std::string& path) {
    return api_.Handle({method, path, {}, kStrict, authorization}, kNow).status;
  };
  EXPECT_EQ(as("", "GET", "/v1/services"), 401);
  EXPECT_EQ(as("Bearer wrong", "GET", "/v1/services"), 401);
  EXPECT_EQ(as(admin_.substr(7), "GET", "/v1/services"), 401);
  EXPECT_EQ(as(reader_, "GET", "/v1/services"), 200);
  for (const char* path :
       {"/v1/apply", "/v1/tokens", "/v1/certs/rotate", "/v1/certs/issue", "/v1/credentials"}) {
    EXPECT_EQ(as(reader_, "POST", path), 403) << path;
    EXPECT_EQ(as("", "POST", path), 401) << path;
  }
  EXPECT_EQ(as(reader_, "DELETE", "/v1/policies/httproute/default/x"), 403);
  EXPECT_EQ(as("", "GET", "/v1/version"), 200);
  EXPECT_EQ(as("", "GET", "/openapi.json"), 200);
  EXPECT_EQ(as(admin_, "POST", "/v1/apply"), 200);
  EXPECT_EQ(as(admin_, "PUT", "/v1/apply"), 405);
  EXPECT_EQ(as(admin_, "GET", "/v1/nothing"), 404);
  EXPECT_EQ(as(admin_, "GET", "/v1/policies/"), 404);
}

// A service account that may do everything else.
class AdminAccount final : public AccountTokens {
 public:
  std::optional<absl::StatusOr<Principal>> Find(std::string_view) override {
    return Principal{"tulle-admin", Role::kAdmin};
  }
  void Ask(const std::string&, std::string_view, std::function<void()>) override {}
};

TEST_F(ApiTest, ServiceAccountsGetNoCredentialsAndNoKeys) {
  AdminAccount accounts;
  api_.SetAccounts(&accounts);
  const auto by_account = [&](const std::string& method, const std::string& path,
                              const std::string& body) {
    ApiRequest request{method, path, {}, body, ""};
    request.account_token = "token";
    const auto verdict = api_.Admit(request);
    const int status = api_.Handle(request, kNow).status;
    EXPECT_EQ(verdict.refusal.has_value(), status == 403) << path;
    return status;
  };
  EXPECT_EQ(by_account("POST", "/v1/backup", "{}"), 403);
  EXPECT_EQ(by_account("POST", "/v1/credentials", R"({"name":"x"})"), 403);
  EXPECT_EQ(by_account("DELETE", "/v1/credentials/x", ""), 403);
  EXPECT_EQ(by_account("GET", "/v1/credentials", ""), 200);
  EXPECT_EQ(by_account("POST", "/v1/apply", kStrict), 200);
  EXPECT_EQ(Call("POST", "/v1/backup", "{}").status, 200);
}

TEST_F(ApiTest, ApplyGetDiffAndDelete) {
  const Json applied = Body(Call("POST", "/v1/apply", kStrict));
  EXPECT_EQ(applied["changes"][0]["action"], "created");
  EXPECT_EQ(changes_, 1);
  const Json one = Body(Call("GET", "/v1/policies/PeerAuthentication/default/all"));
  EXPECT_EQ(one["spec"]["mode"], "STRICT");
  EXPECT_EQ(Body(Call("GET", "/v1/policies/peerauthentications"))["items"].size(), 1);
  EXPECT_EQ(Body(Call("GET", "/v1/policies", "", {{"namespace", "other"}}))["items"].size(), 0);

  std::string permissive = kStrict;
  permissive.replace(permissive.find("STRICT"), 6, "PERMISSIVE");
  const Json diff = Body(Call("POST", "/v1/apply", permissive, {{"dryRun", "true"}}));
  EXPECT_EQ(diff["changes"][0]["action"], "changed");
  EXPECT_NE(diff["changes"][0]["before"].get<std::string>().find("STRICT"), std::string::npos);
  EXPECT_NE(diff["changes"][0]["after"].get<std::string>().find("PERMISSIVE"), std::string::npos);
  EXPECT_EQ(changes_, 1);
  EXPECT_EQ(Body(Call("GET", "/v1/policies"))["items"][0]["spec"]["mode"], "STRICT");

  EXPECT_EQ(Call("DELETE", "/v1/policies/PeerAuthentication/default/all").status, 200);
  EXPECT_EQ(changes_, 2);
  EXPECT_EQ(Call("DELETE", "/v1/policies/PeerAuthentication/default/all").status, 404);
  const Json history = Body(Call("GET", "/v1/policies/PeerAuthentication/default/all/history"));
  ASSERT_EQ(history["items"].size(), 2);
  EXPECT_TRUE(history["items"][0]["policy"].is_null());
  EXPECT_EQ(history["items"][0]["author"], "ann");
}

TEST_F(ApiTest, WhatIsNotUnderstoodIsRefusedAndNothingHappens) {
  const auto refused = [&](const std::string& method, const std::string& path,
                           const std::string& body, std::map<std::string, std::string> query = {}) {
    const ApiResponse response = Call(method, path, body, std::move(query));
    return response.status == 400 && !Body(response)["hint"].get<std::string>().empty();
  };
  for (const char* value : {"1", "True", "yes", ""}) {
    EXPECT_TRUE(refused("POST", "/v1/apply", kStrict, {{"dryRun", value}})) << value;
  }
  EXPECT_TRUE(refused("POST", "/v1/apply", kStrict, {{"dryrun", "true"}}));
  EXPECT_TRUE(refused("POST", "/v1/apply", kStrict, {{"dryRun file", "true"}}));
  EXPECT_TRUE(refused("POST", "/v1/apply", kStrict, {{"", "true"}}));
  EXPECT_TRUE(book_->policies().documents().empty());
  ASSERT_EQ(Call("POST", "/v1/apply", kStrict).status, 200);
  const std::string all = "/v1/policies/PeerAuthentication/default/all";
  EXPECT_TRUE(refused("DELETE", all, "", {{"dryRun", "true"}}));
  for (const char* body :
       {R"({"name":"all"})", R"({"namespace":"default"})", R"({"kind":"PeerAuthentication"})",
        R"({"kind":"","name":"all"})", R"({"Kind":"PeerAuthentication","name":"all"})",
        R"({"revision":0})", R"({"revision":-1})", R"({"to":1})"}) {
    EXPECT_TRUE(refused("POST", "/v1/rollback", body)) << body;
  }
  EXPECT_TRUE(refused("POST", "/v1/rollback", "{}", {{"dryRun", "1"}}));
  EXPECT_TRUE(refused("POST", "/v1/tokens", R"({"account":"a","ttl":60})"));
  EXPECT_TRUE(refused("POST", "/v1/credentials", R"({"name":"a","roles":"reader"})"));
  EXPECT_TRUE(refused("POST", "/v1/certs/rotate", R"({"dryRun":true})"));
  EXPECT_TRUE(refused("GET", "/v1/policies", "", {{"ns", "other"}}));
  EXPECT_EQ(changes_, 1);
  EXPECT_EQ(book_->policies().documents().size(), 1);
}

TEST_F(ApiTest, ARollbackToBeforeAllThatIsRememberedIsRefused) {
  store::Transaction earlier("ann", kNow);
  earlier.Put(store::Collection::kMeta, "m", "x");
  ASSERT_TRUE(store_->Commit(earlier).ok());
  ASSERT_EQ(Call("POST", "/v1/apply", kStrict).status, 200);
  const int64_t first = book_->revision();
  EXPECT_EQ(Call("POST", "/v1/rollback", Json({{"revision", first - 1}}).dump()).status, 404);
  EXPECT_EQ(book_->policies().documents().size(), 1);
  EXPECT_EQ(Call("POST", "/v1/rollback", Json({{"revision", first}}).dump()).status, 200);
  // The last change may be undone, whatever it was.
  EXPECT_EQ(Call("POST", "/v1/rollback", "{}").status, 200);
  EXPECT_TRUE(book_->policies().documents().empty());
}

TEST_F(ApiTest, AnErrorNamesFileLineFieldAndHint) {
  std::string bad = kStrict;
  bad.replace(bad.find("STRICT"), 6, "STRCIT");
  const ApiResponse response = Call("POST", "/v1/apply", bad, {{"file", "shop.yaml"}});
  EXPECT_EQ(response.status, 400);
  const Json body = Body(response);
  EXPECT_EQ(body["file"], "shop.yaml");
  EXPECT_EQ(body["line"], 4);
  EXPECT_EQ(body["field"], "spec.mode");
  EXPECT_NE(body["hint"].get<std::string>().find("STRICT"), std::string::npos);
  EXPECT_EQ(body["problems"].size(), 1);
  EXPECT_EQ(changes_, 0);
}

TEST_F(ApiTest, AFullDiskIsSaidAndNothingChanges) {
  ASSERT_TRUE(store_->LimitPagesForTest(1).ok());
  std::string large = kStrict;
  large.insert(large.find("name: all") + 9,
               ", annotations: {a: \"" + std::string(8000, 'x') + "\"}");
  const ApiResponse response = Call("POST", "/v1/apply", large);
  EXPECT_EQ(response.status, 507) << response.body;
  EXPECT_NE(Body(response)["hint"].get<std::string>().find("free space"), std::string::npos);
  EXPECT_EQ(changes_, 0);
}

TEST_F(ApiTest, TargetsForPrometheusNeedACredential) {
  view_.mesh.workloads["post-1"].metadata["tulle.dev/metrics-port"] = "15090";
  const auto as = [&](const std::string& authorization) {
    return api_.Handle({"GET", "/v1/prometheus/targets", {}, "", authorization}, kNow);
  };
  EXPECT_EQ(as("").status, 401);
  const Json groups = Body(as(reader_));
  ASSERT_EQ(groups.size(), 1) << groups;
  EXPECT_EQ(groups[0]["targets"], Json::array({"192.0.2.1:15090"}));
  EXPECT_EQ(groups[0]["labels"]["service"], "post");
}

TEST_F(ApiTest, ServicesProxiesAndTheirConfiguration) {
  const Json services = Body(Call("GET", "/v1/services"));
  EXPECT_EQ(services["items"][0]["host"], "post.default.svc.cluster.local");
  EXPECT_EQ(services["items"][0]["ports"][0]["endpoints"][0]["health"], "healthy");
  const Json proxy = Body(Call("GET", "/v1/proxies/post-1"));
  EXPECT_EQ(proxy["synced"], false);
  EXPECT_EQ(proxy["rejection"], "bad cluster");
  for (const char* part : {"listeners", "clusters", "endpoints", "secrets"}) {
    const ApiResponse response = Call("GET", std::string("/v1/proxies/post-1/config/") + part);
    EXPECT_EQ(response.status, 200);
    EXPECT_FALSE(Body(response)["items"].empty()) << part;
    EXPECT_EQ(response.body.find("PRIVATE KEY"), std::string::npos);
  }
  EXPECT_EQ(Call("GET", "/v1/proxies/post-1/config/keys").status, 404);
  EXPECT_EQ(Call("GET", "/v1/proxies/nobody/config/routes").status, 404);
  EXPECT_EQ(Body(Call("GET", "/v1/workloads"))["items"].size(), 1);
  for (const char* id : {"a/b", "post 3", ""}) {
    const Json workload{{"account", "post"}, {"id", id}, {"address", "10.0.0.9"}};
    EXPECT_EQ(Call("POST", "/v1/workloads", workload.dump()).status, 400) << id;
  }
  const Json check = Body(Call("GET", "/v1/check"));
  EXPECT_EQ(check["ok"], false);  // the rejection
}

TEST_F(ApiTest, OpenBreakersAreShownWithTheirServiceAndTheProxiesThatSeeThem) {
  const registry::OpenBreaker open{"outbound|80||post.default.svc.cluster.local", "192.0.2.1:15080",
                                   "connect_failed", kNow - 60};
  registry::OpenBreaker bytes = open;
  bytes.cluster = "outbound|80|bytes|post.default.svc.cluster.local";
  view_.breakers.Put("post-1", "a", {2, {open, bytes}});
  for (int i = 2; i < 9; ++i) {
    registry::OpenBreaker later = open;
    later.since = kNow;
    view_.breakers.Put("shop-" + std::to_string(i), "a", {1, {later}});
  }
  const Json proxy = Body(Call("GET", "/v1/proxies/post-1"));
  EXPECT_EQ(proxy["openBreakerCount"], 2);
  EXPECT_EQ(proxy["openBreakers"][0]["host"], "post.default.svc.cluster.local");
  EXPECT_EQ(proxy["openBreakers"][0]["port"], 80);
  EXPECT_EQ(proxy["openBreakers"][0]["cause"], "connect_failed");
  const Json endpoint = Body(Call("GET", "/v1/services"))["items"][0]["ports"][0]["endpoints"][0];
  EXPECT_EQ(endpoint["openBreakers"]["count"], 8) << endpoint;
  EXPECT_EQ(endpoint["openBreakers"]["proxies"].size(), 5);
  EXPECT_EQ(endpoint["openBreakers"]["since"], kNow - 60);
  const Json check = Body(Call("GET", "/v1/check"));
  const auto found = std::find_if(check["items"].begin(), check["items"].end(),
                                  [](const Json& at) { return at["id"] == "circuit-breakers"; });
  ASSERT_NE(found, check["items"].end());
  EXPECT_EQ((*found)["ok"], false);
  EXPECT_EQ(
      (*found)["message"],
      "open:\npost.default.svc.cluster.local:80 at 192.0.2.1:15080: connection refused, or no "
      "route to the endpoint; since 2026-09-21T14:12:20Z, seen by post-1, shop-2, shop-3, "
      "shop-4, shop-5 and 3 more");
  EXPECT_NE((*found)["hint"].get<std::string>().find("tullectl services"), std::string::npos);
}

TEST_F(ApiTest, AStrangersTokenIsNoFailureOfTheMesh) {
  const auto id = *certs::SpiffeId::ForWorkload("cluster.local", "default", "post");
  std::string token =
      *tokens_.Create({id, {"default/post"}, kNow + 100}, authority_->root_key_hash(), "ann", kNow);
  token.back() = token.back() == '0' ? '1' : '0';
  EXPECT_FALSE(tokens_.Redeem(token, kNow - 10).ok());
  const Json check = Body(Call("GET", "/v1/check"));
  for (const Json& item : check["items"]) {
    if (item["id"] != "join-tokens") continue;
    EXPECT_EQ(item["ok"], true);
    EXPECT_EQ(item["message"],
              "a client with an unknown or revoked token was rejected (last attempt 10 s ago)");
    return;
  }
  FAIL() << "it is not checked";
}

TEST_F(ApiTest, CheckVisitsProxiesInSlices) {
  const ProxyStatus away;
  view_.proxies.clear();
  for (int i = 100; i < 300; ++i) {
    view_.proxies.push_back(away);
    view_.proxies.back().name = "web-" + std::to_string(i);
  }
  ApiResponse response = Call("GET", "/v1/check");
  EXPECT_EQ(response.body, "");
  std::string body;
  for (int turn = 0; turn < 3; ++turn) EXPECT_TRUE(response.more(&body)) << turn;
  EXPECT_EQ(body, "");
  EXPECT_FALSE(response.more(&body));
  const Json item = Json::parse(body)["items"][0];
  const std::string message = item["message"];
  EXPECT_NE(message.find(" web-100, web-101, "), std::string::npos) << message;
  EXPECT_TRUE(message.ends_with(", web-119 and 180 more")) << message;
  ASSERT_EQ(item["proxies"].size(), 200);
  EXPECT_EQ(item["proxies"][199],
            Json({{"name", "web-299"}, {"connected", false}, {"message", "web-299"}}));
}

TEST_F(ApiTest, CheckNamesEveryPolicyThatCannotBeRead) {
  store::Transaction transaction("later version", kNow);
  transaction.Put(store::Collection::kPolicy, "HTTPRoute/default/web", "{");
  transaction.Put(store::Collection::kPolicy, "EgressPolicy/default/out", "{");
  ASSERT_TRUE(store_->Commit(transaction).ok());
  *book_ = std::move(**discovery::PolicyBook::Open(store_.get()));
  const Json check = Body(Call("GET", "/v1/check"));
  for (const Json& item : check["items"]) {
    if (item["name"] != "policies readable") continue;
    EXPECT_EQ(item["ok"], false);
    const std::string message = item["message"];
    EXPECT_NE(message.find("HTTPRoute/default/web: "), std::string::npos) << message;
    EXPECT_NE(message.find("EgressPolicy/default/out: "), std::string::npos) << message;
    return;
  }
  FAIL() << "it is not checked";
}

TEST_F(ApiTest, TokensAreMadeForIdentitiesAndServices) {
  const ApiResponse response =
      Call("POST", "/v1/tokens",
           R"({"account":"post-v1","services":["post","post-v1"],"ttlSeconds":60})");
  ASSERT_EQ(response.status, 201) << response.body;
  const Json body = Body(response);
  EXPECT_EQ(body["spiffeId"], "spiffe://cluster.local/ns/default/sa/post-v1");
  EXPECT_EQ(body["expiresAt"], kNow + 60);
  const auto grant = tokens_.Redeem(body["token"].get<std::string>(), kNow);
  ASSERT_TRUE(grant.ok());
  EXPECT_EQ(grant->services, (std::vector<std::string>{"default/post", "default/post-v1"}));
  for (const char* bad :
       {"", "[]", "{}", R"({"account":"A"})", R"({"account":1})",
        R"({"account":"a","services":[]})", R"({"account":"a","services":["other/x"]})",
        R"({"account":"a","services":[1]})", R"({"account":"a","ttlSeconds":0})",
        R"({"account":"a","ttlSeconds":"60"})"}) {
    EXPECT_EQ(Call("POST", "/v1/tokens", bad).status, 400) << bad;
  }
}

TEST_F(ApiTest, CertificatesAreIssuedAndTheRootRotates) {
  const auto id = *certs::SpiffeId::ForWorkload("cluster.local", "default", "other");
  const Json request = {{"account", "envoy"},
                        {"csr", certs::BuildCertificateRequest(keys_.Generate(), id)}};
  const Json issued = Body(Call("POST", "/v1/certs/issue", request.dump()));
  EXPECT_EQ(issued["spiffeId"], "spiffe://cluster.local/ns/default/sa/envoy");
  EXPECT_EQ(Call("POST", "/v1/certs/issue", R"({"account":"envoy","csr":"x"})").status, 400);
  EXPECT_EQ(Body(Call("GET", "/v1/certs"))["phase"], "steady");
  authority_->rotation().OnConnected("n");
  const ApiResponse begun = Call("POST", "/v1/certs/rotate");
  EXPECT_EQ(begun.status, 200);
  EXPECT_GT(Body(begun)["waitsUntil"], kNow);  // the certificate that lies in a file
  EXPECT_EQ(Body(begun)["phase"], "announcing the new root");
  EXPECT_EQ(begun.body.find("PRIVATE KEY"), std::string::npos);
  EXPECT_EQ(Call("POST", "/v1/certs/rotate").status, 409);
}

TEST_F(ApiTest, CheckNamesWhomARotationWaitsFor) {
  authority_->rotation().OnConnected("post-1");
  ASSERT_TRUE(authority_->BeginRotation(kNow).ok());
  const auto found_at = [&](int64_t now) {
    const ApiResponse response = api_.Handle({"GET", "/v1/check", {}, "", admin_}, now);
    const Json check = Body(response);
    for (const Json& item : check["items"]) {
      if (item["name"] == "root rotation") return item;
    }
    return Json();
  };
  EXPECT_EQ(found_at(kNow + 600)["ok"], true);
  const Json late = found_at(kNow + 660);
  EXPECT_EQ(late["ok"], false);
  EXPECT_EQ(late["message"], "in progress for 11 minutes; waiting for post-1");
}

TEST_F(ApiTest, CredentialsComeAndGo) {
  const Json made = Body(Call("POST", "/v1/credentials", R"({"name":"eve","role":"reader"})"));
  const std::string bearer = "Bearer " + made["credential"].get<std::string>();
  EXPECT_EQ(api_.Handle({"GET", "/v1/services", {}, "", bearer}, kNow).status, 200);
  EXPECT_EQ(Call("DELETE", "/v1/credentials/eve").status, 200);
  EXPECT_EQ(api_.Handle({"GET", "/v1/services", {}, "", bearer}, kNow).status, 401);
  EXPECT_EQ(Call("DELETE", "/v1/credentials/ann").status, 409);
  EXPECT_EQ(Call("POST", "/v1/credentials", R"({"name":"eve","role":"root"})").status, 400);
  for (const char* bad : {"A B", "../x", "", "a\\n", "-a"}) {
    const ApiResponse refused =
        Call("POST", "/v1/credentials", std::string(R"({"name":")") + bad + "\"}");
    EXPECT_EQ(refused.status, 400) << bad;
    EXPECT_EQ(Body(refused)["field"], "name") << bad;
  }
  const auto records = store_->List(store::Collection::kCredential);
  for (const store::Record& record : *records) {
    EXPECT_EQ(record.value.find(admin_.substr(7)), std::string::npos);
  }
}

TEST_F(ApiTest, SeveralPoliciesAreDeletedInOneChange) {
  std::string other = kStrict;
  other.replace(other.find("name: all"), 9, "name: one");
  other.replace(other.find("{kind: Mesh}"), 12, "{kind: Service, name: one}");
  ASSERT_EQ(Call("POST", "/v1/apply", std::string(kStrict) + "---\n" + other).status, 200);
  const char* body =
      R"({"items":[{"kind":"PeerAuthentication","name":"all"},{"kind":"pa","name":"x"}]})";
  EXPECT_EQ(Call("POST", "/v1/delete", body).status, 404);  // no such kind
  body =
      R"({"items":[{"kind":"PeerAuthentication","name":"all"},{"kind":"peerauthentication","name":"one"},{"kind":"HTTPRoute","namespace":"shop","name":"x"},{"kind":"PeerAuthentication","name":"all"}]})";
  const int64_t before = book_->revision();
  const Json dry = Body(Call("POST", "/v1/delete", body, {{"dryRun", "true"}}));
  EXPECT_EQ(dry["changes"].size(), 2);
  EXPECT_EQ(book_->revision(), before);
  EXPECT_EQ(changes_, 1);
  const Json done = Body(Call("POST", "/v1/delete", body));
  EXPECT_EQ(done["changes"].size(), 2);
  EXPECT_EQ(done["missing"], Json::array({{{"kind", "HTTPRoute"},
                                           {"namespace", "shop"},
                                           {"name", "x"},
                                           {"list", "tullectl get httproutes -n shop"}}}));
  EXPECT_EQ(book_->revision(), before + 1);
  EXPECT_EQ(changes_, 2);
  EXPECT_EQ(Body(Call("GET", "/v1/history"))["items"][0]["changes"].size(), 2);
  for (const char* bad : {"", "[]", R"({"items":[]})", R"({"items":[1]})", R"({"items":{}})",
                          R"({"items":[{"kind":"HTTPRoute","name":1}]})"}) {
    EXPECT_EQ(Call("POST", "/v1/delete", bad).status, 400) << bad;
  }
}

TEST_F(ApiTest, PoliciesWithoutEffectAreNamed) {
  std::string lost = kStrict;
  lost.replace(lost.find("{kind: Mesh}"), 12, "{kind: Service, name: pots}");
  for (const char* dry_run : {"true", "false"}) {
    const Json applied = Body(Call("POST", "/v1/apply", lost, {{"dryRun", dry_run}}));
    ASSERT_EQ(applied["warnings"].size(), 1) << applied;
    EXPECT_EQ(applied["warnings"][0]["field"], "spec.targetRef");
    EXPECT_NE(applied["warnings"][0]["hint"].get<std::string>().find("did you mean post?"),
              std::string::npos);
  }
  // Of others' documents nothing is said to who applies his own.
  std::string good = kStrict;
  good.replace(good.find("name: all"), 9, "name: one");
  EXPECT_TRUE(Body(Call("POST", "/v1/apply", good))["warnings"].empty());
  const auto item = [&] {
    const Json check = Body(Call("GET", "/v1/check"));
    for (const Json& each : check["items"]) {
      if (each["name"] == "policies in effect") return each;
    }
    return Json();
  };
  EXPECT_EQ(item()["ok"], false);
  EXPECT_NE(item()["message"].get<std::string>().find("Service default/pots not found"),
            std::string::npos);
  EXPECT_EQ(Call("DELETE", "/v1/policies/PeerAuthentication/default/all").status, 200);
  EXPECT_EQ(item()["ok"], true);
}

TEST_F(ApiTest, ListsOfSecretsHoldNone) {
  const Json made = Body(Call("POST", "/v1/tokens", R"({"account":"post"})"));
  const std::string token = made["token"].get<std::string>();
  const ApiResponse tokens = Call("GET", "/v1/tokens");
  EXPECT_EQ(tokens.body.find(token.substr(token.size() - 64)), std::string::npos);
  const Json one = Body(tokens)["items"][0];
  EXPECT_EQ(one["spiffeId"], "spiffe://cluster.local/ns/default/sa/post");
  const std::string id = one["id"].get<std::string>();
  // Not the whole of what is compared with.
  EXPECT_LT(id.size(), 16u);
  EXPECT_EQ(api_.Handle({"DELETE", "/v1/tokens/" + id, {}, "", reader_}, kNow).status, 403);
  EXPECT_EQ(Call("DELETE", "/v1/tokens/" + id.substr(1)).status, 400);
  ASSERT_EQ(Call("DELETE", "/v1/tokens/" + id).status, 200);
  EXPECT_FALSE(tokens_.Redeem(token, kNow).ok());
  EXPECT_EQ(Call("DELETE", "/v1/tokens/" + id).status, 404);
  EXPECT_TRUE(Body(Call("GET", "/v1/tokens"))["items"].empty());

  const ApiResponse credentials = Call("GET", "/v1/credentials");
  EXPECT_EQ(credentials.body.find(admin_.substr(7)), std::string::npos);
  const Json items = Body(credentials)["items"];
  ASSERT_EQ(items.size(), 2);
  EXPECT_EQ(items[0], Json({{"name", "ann"}, {"role", "admin"}, {"createdAt", kNow}}));
  EXPECT_EQ(items[1]["role"], "reader");
}

TEST_F(ApiTest, TheDescriptionTellsPathsAndRoles) {
  const Json json = Body(Call("GET", "/openapi.json"));
  int count = 0;
  for (const auto& [path, methods] : json["paths"].items()) {
    std::string example = path;
    for (size_t open; (open = example.find('{')) != std::string::npos;) {
      example.replace(open, example.find('}') - open + 1, "x");
    }
    for (const auto& [method, operation] : methods.items()) {
      ++count;
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      const auto as = [&](const std::string& authorization) {
        return api_.Handle({upper, example, {}, "[]", authorization}, kNow);
      };
      const bool is_open = operation.contains("security");
      const bool is_admins = operation.contains("description");
      // Written down once more on purpose: a route's role is one word in its row.
      EXPECT_EQ(is_open, path == "/v1/version" || path == "/openapi.json") << path;
      const bool is_tap = path.starts_with("/v1/taps");  // changes nothing
      EXPECT_EQ(is_admins, !is_open && !is_tap && method != "get") << method << path;
      EXPECT_EQ(as("").status == 401, !is_open) << method << path;
      EXPECT_EQ(as(reader_).status == 403, is_admins) << method << path;
      EXPECT_NE(as(admin_).status, 405) << method << path;
      EXPECT_EQ(as(admin_).body.find("path not found"), std::string::npos) << path;
      EXPECT_FALSE(operation["summary"].get<std::string>().empty()) << path;
    }
  }
  EXPECT_EQ(count, 49);
  EXPECT_EQ(Body(Call("GET", "/v1/nothing"))["error"], "path not found");
}

TEST_F(ApiTest, TheDescriptionHasASchemaForEachKindOfPolicy) {
  const Json schemas = Body(Call("GET", "/openapi.json"))["components"]["schemas"];
  for (const char* kind :
       {"HTTPRoute", "ResiliencePolicy", "AuthorizationPolicy", "PeerAuthentication",
        "TelemetryPolicy", "ExternalService", "EgressPolicy"}) {
    EXPECT_TRUE(schemas.contains(kind)) << kind;
  }
  EXPECT_EQ(schemas["PeerAuthentication"]["properties"]["spec"]["properties"]["mode"]["enum"],
            Json({"STRICT", "PERMISSIVE"}));
}

TEST_F(ApiTest, ChecksHaveIdsAndHints) {
  view_.proxies[0].is_connected = false;
  const Json items = Body(Call("GET", "/v1/check"))["items"];
  EXPECT_EQ(items[0]["id"], "proxies-connected");
  EXPECT_EQ(items[0]["message"], "not connected: post-1");
  EXPECT_NE(items[0]["hint"].get<std::string>().find("port 15012"), std::string::npos);
  std::set<std::string> ids;
  for (const Json& item : items) ids.insert(item["id"].get<std::string>());
  EXPECT_EQ(ids.size(), items.size());
}

TEST(Credentials, TheFirstAdminsFileIsTheOwnersAlone) {
  certs::SystemKeySource keys;
  const auto store = *store::SqliteStore::Open(":memory:");
  Credentials credentials(store.get(), &keys);
  const std::string path = testing::TempDir() + "/admin-credential";
  unlink(path.c_str());
  ASSERT_TRUE(credentials.EnsureFirstAdmin(path, kNow).ok());
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600);
  std::string text;
  std::ifstream(path) >> text;
  const auto principal = credentials.Authenticate("Bearer " + text);
  ASSERT_TRUE(principal.ok() && principal->has_value());
  EXPECT_EQ((*principal)->role, Role::kAdmin);
  // A second start leaves file and credential alone.
  unlink(path.c_str());
  ASSERT_TRUE(credentials.EnsureFirstAdmin(path, kNow).ok());
  EXPECT_NE(stat(path.c_str(), &status), 0);
  // Who has lost it gets a new one, and the former one ends.
  ASSERT_TRUE(credentials.ResetAdmin(path, kNow).ok());
  std::string fresh;
  std::ifstream(path) >> fresh;
  EXPECT_NE(fresh, text);
  EXPECT_TRUE(credentials.Authenticate("Bearer " + fresh)->has_value());
  EXPECT_FALSE(credentials.Authenticate("Bearer " + text)->has_value());
  const auto empty = *store::SqliteStore::Open(":memory:");
  EXPECT_EQ(Credentials(empty.get(), &keys).EnsureFirstAdmin("/no/such/folder/x", kNow).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(empty->List(store::Collection::kCredential)->empty());
}

TEST_F(ApiTest, TrafficHasAHistory) {
  const insight::Edge edge{"spiffe://cluster.local/ns/shop/sa/web",
                           "cart.shop.svc.cluster.local",
                           "",
                           "http",
                           true,
                           true};
  const auto add = [&](std::vector<uint32_t> buckets, insight::Outcome outcome, int64_t at) {
    traffic_.AddRequests(*traffic_.RowOf(edge), outcome, buckets, at);
  };
  const int64_t minute = kNow - kNow % 60;
  add({0, 5}, {200, -1, ""}, minute - 90);
  add({3}, {503, -1, "UH"}, minute - 30);
  const auto ask = [&](std::map<std::string, std::string> query) {
    return Call("GET", "/v1/traffic/history", "", std::move(query));
  };
  const Json json = Body(ask({{"window", "600"}, {"service", edge.service}}));
  EXPECT_EQ(json["from"], minute - 600);
  EXPECT_EQ(json["steps"], 10);
  ASSERT_EQ(json["links"].size(), 1) << json;
  EXPECT_EQ(json["links"][0]["source"]["name"], "web");
  const Json& steps = json["links"][0]["steps"];
  ASSERT_EQ(steps.size(), 2) << "those without traffic are left out";
  EXPECT_EQ(steps[0]["at"], minute - 120);
  EXPECT_EQ(steps[0]["buckets"], Json({0, 5}));
  EXPECT_EQ(steps[1]["at"], minute - 60);
  EXPECT_EQ(steps[1]["failures"], 3);
  EXPECT_EQ(Body(ask({{"service", "other"}}))["links"].size(), 0);
  for (const char* window : {"0", "-60", "61", "3660", "x", ""}) {
    EXPECT_EQ(ask({{"window", window}}).status, 400) << window;
  }
  EXPECT_EQ(ask({{"window", "3600"}, {"step", "10"}}).status, 400);
  EXPECT_EQ(ask({{"step", "0"}}).status, 400);
}

TEST_F(ApiTest, TrafficIsShownByRoute) {
  const auto add = [&](const std::string& backend, const std::string& route,
                       const std::string& called, uint32_t requests) {
    const insight::Edge edge{"spiffe://cluster.local/ns/shop/sa/web",
                             backend + ".shop.svc.cluster.local",
                             "",
                             "http",
                             true,
                             true,
                             route,
                             called};
    traffic_.AddRequests(*traffic_.RowOf(edge), {200, -1, ""}, std::vector<uint32_t>{0, requests},
                         kNow - 20);
  };
  const std::string cart = "cart.shop.svc.cluster.local";
  add("cart-v1", "shop/split[0][0]", cart, 9);
  add("cart-v2", "shop/split[0][0]", cart, 1);
  add("post", "default", "", 4);
  const Json all = Body(Call("GET", "/v1/traffic/routes"));
  ASSERT_EQ(all["links"].size(), 3) << all;
  const Json json = Body(Call("GET", "/v1/traffic/routes", "", {{"service", cart}}));
  ASSERT_EQ(json["links"].size(), 2) << json;
  const Json& first = json["links"][0];
  EXPECT_EQ(first["service"]["name"], "cart");
  EXPECT_EQ(first["route"], "shop/split[0][0]");
  EXPECT_EQ(first["backend"]["name"], "cart-v1");
  EXPECT_EQ(first["source"]["name"], "web");
  EXPECT_EQ(first["requests"], 9);
  EXPECT_EQ(json["links"][1]["backend"]["name"], "cart-v2");
  EXPECT_EQ(Call("GET", "/v1/traffic/routes", "", {{"window", "0"}}).status, 400);
  EXPECT_EQ(Body(Call("GET", "/v1/traffic"))["links"].size(), 3);
}

}  // namespace
}  // namespace tulle::api
