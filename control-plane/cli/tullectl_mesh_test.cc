#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "certs/authority.h"
#include "control-plane/cli/tullectl_fixture.h"
#include "net/usage/wrap.h"
#include "telemetry/version.h"

namespace tulle::cli {
namespace {

TEST_F(Tullectl, ListsAreShownAgainWhileTheyAreWatched) {
  EXPECT_EQ(Run({"services", "--watch", "--count", "2"}), 0) << err;
  const size_t first = out.find("post");
  ASSERT_NE(first, std::string::npos) << out;
  EXPECT_NE(out.find("\n\n", first), std::string::npos) << "apart where there is no terminal";
  EXPECT_EQ(out.find("\x1b"), std::string::npos);
  width = 100;
  EXPECT_EQ(Run({"status", "-w", "--count", "3"}), 0) << err;
  size_t times = 0;
  for (size_t at = 0; (at = out.find("\x1b[H", at)) != std::string::npos; ++at) ++times;
  EXPECT_EQ(times, 3u) << out;
  // The control plane restarts meanwhile.
  on_pause = [this] { is_unreachable = !is_unreachable; };
  EXPECT_EQ(Run({"get", "services", "-w", "--count", "3"}), 0) << err;
  EXPECT_NE(err.find("connection refused"), std::string::npos) << err;
  EXPECT_NE(err.find("Trying again"), std::string::npos) << err;
  EXPECT_NE(out.find("post", out.find("post.default") + 1), std::string::npos) << out;
  // What fails at once is not tried again: the caller sees it.
  is_unreachable = true;
  EXPECT_EQ(Run({"get", "all", "--watch"}), 1);
}

TEST_F(Tullectl, ShowsProxiesAndServices) {
  EXPECT_EQ(Run({"status"}), 0);
  EXPECT_EQ(out,
            "PROXY    CONNECTED   CONFIGURATION         ACKNOWLEDGED   CERT EXPIRES\n"
            "post-1   5m          REJECTED (clusters)   fedcba098765   in 12h\n"
            "    reason: bad cluster\n");
  EXPECT_EQ(Run({"status", "pos"}), 0) << err;
  EXPECT_EQ(Run({"status", "post-1"}), 0);
  EXPECT_NE(out.find("clusters    REJECTED   v2     v1             outbound|80||x\n    reason: bad "
                     "cluster\n"),
            std::string::npos)
      << out;
  EXPECT_EQ(Run({"status", "nobody"}), 1);
  view_.proxies[0].types[0].rejection.clear();
  EXPECT_EQ(Run({"status"}), 0);
  EXPECT_NE(out.find("STALE (clusters)"), std::string::npos) << out;
  EXPECT_EQ(Run({"services"}), 0);
  EXPECT_EQ(out,
            "NAME   PORTS     HEALTHY   HOST\n"
            "post   80/http   1/1       post.default.svc.cluster.local\n");
  for (const char* part : {"listeners", "clusters", "endpoints", "secrets"}) {
    EXPECT_EQ(Run({"pc", "post-1", part}), 0) << err;
    EXPECT_NE(out.find("VERSION\n"), std::string::npos) << out;
    EXPECT_EQ(Run({"proxy-config", "post-1", part, "-o", "yaml"}), 0) << err;
  }
  EXPECT_EQ(Run({"pc", "post-1", "keys"}), 1);
  EXPECT_EQ(Run({"pc", "post", "c"}), 0) << err;
  EXPECT_EQ(Run({"pc", "post-1"}), 0) << err;
  EXPECT_NE(out.find("DIRECTION"), std::string::npos) << out;
  EXPECT_NE(out.find("trusted roots"), std::string::npos) << out;
  view_.proxies.push_back(view_.proxies[0]);
  view_.proxies[1].name = "post-2";
  EXPECT_EQ(Run({"pc", "post", "c"}), 1);
  EXPECT_NE(err.find("post-1, post-2"), std::string::npos) << err;
  EXPECT_EQ(Run({"services", "post", "-o", "yaml"}), 0) << err;
  EXPECT_TRUE(out.starts_with("host: post.default")) << out;
  EXPECT_EQ(Run({"services", "nothing", "-o", "json"}), 1);
}

TEST_F(Tullectl, ProxiesInPodsHaveTheirNames) {
  view_.proxies[0].name = "1408718a-7947";
  view_.proxies[0].pod = "shop/client-1";
  view_.proxies[0].spiffe_id = "spiffe://cluster.local/ns/shop/sa/client";
  view_.proxies.push_back(view_.proxies[0]);
  view_.proxies[1].name = "2408718a-7947";
  view_.proxies[1].pod = "other/client-1";
  view_.proxies[1].spiffe_id = "spiffe://cluster.local/ns/other/sa/client";
  ASSERT_EQ(Run({"status", "-o", "name"}), 0) << err;
  EXPECT_EQ(out, "client-1.other\nclient-1.shop\n");
  ASSERT_EQ(Run({"status", "-n", "shop", "-o", "name"}), 0) << err;
  EXPECT_EQ(out, "client-1.shop\n");
  ASSERT_EQ(Run({"status", "-o", "wide"}), 0) << err;
  EXPECT_NE(out.find("1408718a-7947"), std::string::npos) << out;
  for (const std::vector<std::string>& name : std::vector<std::vector<std::string>>{
           {"client-1.shop"}, {"shop/client-1"}, {"client-1", "-n", "shop"}, {"1408718a"}}) {
    std::vector<std::string> line = {"status"};
    line.insert(line.end(), name.begin(), name.end());
    EXPECT_EQ(Run(line), 0) << name[0] << err;
    EXPECT_NE(out.find("client-1.shop"), std::string::npos) << out;
  }
  EXPECT_EQ(Run({"pc", "client-1", "c"}), 1);
  EXPECT_NE(err.find("use one of client-1.other, client-1.shop"), std::string::npos) << err;
  EXPECT_EQ(Run({"status", "-n", "none"}), 0);
  EXPECT_EQ(err, "No proxies found in none namespace.\n");
}

TEST_F(Tullectl, NamespacesAreThoseWithAnything) {
  ASSERT_EQ(Run({"apply", "-n", "shop", "-f", "-"}, kRoute), 0) << err;
  EXPECT_EQ(Run({"get", "namespaces"}), 0) << err;
  EXPECT_EQ(out,
            "NAMESPACE   SERVICES   POLICIES\n"
            "default     1          0\n"
            "shop        0          1\n");
  EXPECT_EQ(Run({"get", "namespaces", "-o", "name"}), 0) << err;
  EXPECT_EQ(out, "default\nshop\n");
}

TEST_F(Tullectl, NothingIsWiderThanTheTerminal) {
  view_.proxies[0].types[0].rejection = "a reason of many words, which no column has room for";
  ASSERT_EQ(Run({"apply", "-f", "-"}, std::string(kStrict) + "---\n" + kRoute), 0);
  width = 60;
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"get", "all", "-A", "-o", "wide"},
                                             {"status", "post-1"},
                                             {"check"},
                                             {"cert", "roots"}}) {
    Run(command);
    EXPECT_NE(out, "");
    std::istringstream lines(out);
    for (std::string line; std::getline(lines, line);) {
      // A path, alone on its line, cannot be broken.
      const size_t begin = line.find_first_not_of(' ');
      if (begin != std::string::npos && line.find(' ', begin) == std::string::npos) continue;
      EXPECT_LE(usage::WidthOf(line), width) << command[0] << ": " << line;
    }
  }
}

TEST_F(Tullectl, TextOfWorkloadsCannotControlTheTerminal) {
  const std::string evil =
      "two\nlines \033[31mred\x7f \xc2\x9b"
      "31m";
  const auto expect_plain = [this](const std::string& text) {
    for (const char c : text) EXPECT_TRUE(c == '\n' || !absl::ascii_iscntrl(c)) << text;
    EXPECT_EQ(text.find("\nlines"), std::string::npos) << text;
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos) << text;
    EXPECT_NE(text.find("two lines"), std::string::npos) << text;
  };
  view_.proxies[0].name = evil;
  ASSERT_EQ(Run({"status", "-o", "name"}), 0) << err;
  expect_plain(out);
  authority_->rotation().OnConnected(evil);
  ASSERT_EQ(Run({"cert", "rotate"}), 0) << err;
  expect_plain(out);
  EXPECT_EQ(Run({"cert", "rotate"}), 1);
  expect_plain(err);
}

TEST_F(Tullectl, AConfigFileThatIsNamedMustExist) {
  const std::string missing = folder_ + "/missing";
  EXPECT_EQ(Run({"status", "--config", missing}), 1);
  EXPECT_EQ(err.find("error: cannot read " + missing + ": No such file or directory\nhint: "), 0)
      << err;
  EXPECT_EQ(Run({"config", "get-contexts", "--config", missing}), 1);
  EXPECT_EQ(Run({"config", "set-context", "a", "--config", missing}), 0) << err;
  EXPECT_EQ(Run({"config", "get-contexts", "--config", missing}), 0) << err;
}

TEST_F(Tullectl, ContextsAreMadeChosenAndForgotten) {
  EXPECT_EQ(Run({"config", "set-context", "local", "-n", "shop"}), 0) << err;
  EXPECT_EQ(out, "Context \"local\" created, in use.\n");
  EXPECT_EQ(Run({"config", "set-context", "far", "--server", "mesh.example"}), 0) << err;
  EXPECT_EQ(Run({"config", "get-contexts"}), 0);
  const std::string config = folder_ + "/.config/tulle/config";
  EXPECT_EQ(out,
            "CURRENT   NAME    SERVER                       NAMESPACE   FILE\n"
            "*         local   (from the credential file)   shop        " +
                config + "\n" + "          far     https://mesh.example:15016   default     " +
                config + "\n");
  EXPECT_EQ(Run({"get", "httproutes"}), 0);
  EXPECT_EQ(err, "No resources found in shop namespace.\n");
  EXPECT_EQ(Run({"config", "use-context", "fr"}), 1);
  EXPECT_NE(err.find("did you mean far?"), std::string::npos) << err;
  EXPECT_EQ(Run({"config", "use-context", "far"}), 0);
  EXPECT_EQ(Run({"config", "current-context"}), 0);
  EXPECT_EQ(out, "far\n");
  EXPECT_EQ(Run({"config", "delete-context", "far"}), 0);
  EXPECT_EQ(Run({"config", "current-context"}), 1);
}

TEST_F(Tullectl, ChecksFailWithHints) {
  EXPECT_EQ(Run({"check"}), 1);
  EXPECT_NE(out.find("✓ tulle-control reachable: https://127.0.0.1:15016\n"), std::string::npos);
  EXPECT_NE(out.find("× configuration accepted: "), std::string::npos) << out;
  EXPECT_NE(out.find("\n    see the reason with `tullectl status PROXY`"), std::string::npos);
  view_.proxies[0].is_connected = false;
  EXPECT_EQ(Run({"check"}), 1);
  EXPECT_NE(out.find("can it reach port 15912 of tulle-control?"), std::string::npos) << out;
  view_.proxies[0].is_connected = true;
  view_.proxies[0].types.clear();
  EXPECT_EQ(Run({"check"}), 0) << out;
  EXPECT_EQ(Run({"check", "-o", "json"}), 0) << out;
  std::set<std::string> ids;
  const auto checks = nlohmann::json::parse(out);
  for (const auto& item : checks["items"]) EXPECT_TRUE(ids.insert(item["id"]).second) << item;
  EXPECT_TRUE(ids.contains("reachable") && ids.contains("proxies-connected")) << out;
  EXPECT_EQ(Run({"version"}), 0);
  EXPECT_EQ(out, std::string("tullectl ") + telemetry::kVersion + "\ntulle-control 0.0.9\n");
}

TEST_F(Tullectl, InjectsFilesOfAFolder) {
  const std::string pod =
      "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME}\nspec: {containers: [{name: web}]}\n";
  std::filesystem::create_directories(folder_ + "/shop");
  const std::string service = Write("shop/a.yaml", "apiVersion: v1\nkind: Service\n");
  EXPECT_EQ(Run({"inject", "-f", service}), 0);
  EXPECT_EQ(out, "apiVersion: v1\nkind: Service\n");
  EXPECT_EQ(err, "nothing to inject: found no pods and no templates of pods\n");
  Write("shop/b.yaml", absl::StrReplaceAll(pod, {{"NAME", "\"we\\eb\""}}));
  EXPECT_EQ(Run({"inject", "-f", folder_ + "/shop"}), 0) << err;
  EXPECT_TRUE(out.starts_with("apiVersion: v1\nkind: Service\n---\n")) << out;
  EXPECT_NE(out.find("tulle-sidecar"), std::string::npos) << out;
  EXPECT_EQ(err, "pod/we b injected\n");
}

TEST_F(Tullectl, DefinitionsOfPoliciesAreSkippedOnTheWayBack) {
  const std::string definition = "kind: CustomResourceDefinition\n";
  EXPECT_EQ(Run({"install"}), 0);
  EXPECT_NE(out.find(definition), std::string::npos);
  EXPECT_EQ(Run({"install", "--skip-crds"}), 0);
  EXPECT_EQ(out.find(definition), std::string::npos);
  EXPECT_NE(out.find("kind: Deployment\n"), std::string::npos);
}

TEST_F(Tullectl, CheckTellsTheWayOutWhenTheRootHasEnded) {
  is_unreachable = true;
  const auto check = [&](int64_t begin, int64_t lifetime) {
    const auto root = certs::Authority::CreateRoot("cluster.local", keys_, begin, lifetime);
    ASSERT_TRUE(root.ok()) << root.status();
    const std::string ca = Write("ca.pem", root->certificate().ToPem());
    EXPECT_EQ(Run({"check", "--ca-file", ca}), 1);
  };
  check(kNow - 60, 3600);
  EXPECT_EQ(err.find("expired at"), std::string::npos) << err;
  check(kNow - 7200, 3600);
  EXPECT_NE(err.find("expired at 2026-09-21T13:13:20Z, 60m ago"), std::string::npos) << err;
  size_t at = 0;
  for (const char* step : {"date -u", "systemctl restart tulle-control", "check",
                           "token create --service NAME -o raw > FILE", "5. $ tullectl"}) {
    at = err.find(step, at);
    EXPECT_NE(at, std::string::npos) << step << err;
  }
  check(kNow + 7200, 3600);
  EXPECT_NE(err.find("are not valid before"), std::string::npos) << err;
  EXPECT_NE(err.find("set the clock of this machine"), std::string::npos) << err;
}

TEST_F(Tullectl, CheckNamesWorkloadsWhoseCertificateHasEnded) {
  view_.proxies[0].certificate_not_after = kNow - 1;
  view_.proxies[0].spiffe_id = "spiffe://cluster.local/ns/blog/sa/post";
  EXPECT_EQ(Run({"check"}), 1);
  EXPECT_NE(out.find("workload certificates: expired: post-1 at 2026-09-21T14:13:19Z"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("    $ tullectl token create --service post -n blog -o raw > FILE\n"),
            std::string::npos)
      << out;
}

TEST_F(Tullectl, CheckNamesTokensThatHaveEnded) {
  const auto id = *certs::SpiffeId::ForWorkload("cluster.local", "default", "post");
  const auto token = *tokens_.Create({id, {"default/post"}, kNow - 100},
                                     authority_->root_key_hash(), "ann", kNow - 200);
  ASSERT_FALSE(tokens_.Redeem(token, kNow - 10).ok());
  EXPECT_EQ(Run({"check"}), 1);
  EXPECT_NE(out.find("join tokens: rejected: " + id.ToString() + ", whose token expired at"),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("$ tullectl token create --service post -o raw > FILE"), std::string::npos);
}

TEST_F(Tullectl, WhatIsNotInForceIsNamed) {
  view_.proxies[0].types.clear();
  view_.proxies[0].problems = {"listener inbound|80: cannot listen on 127.0.0.1:80: in use"};
  EXPECT_EQ(Run({"status"}), 0) << err;
  EXPECT_NE(out.find("NOT IN FORCE"), std::string::npos) << out;
  EXPECT_NE(out.find("reason: listener inbound|80: cannot listen"), std::string::npos) << out;
  EXPECT_EQ(Run({"check"}), 1);
  EXPECT_NE(out.find("post-1: listener inbound|80: cannot listen"), std::string::npos) << out;
}

TEST_F(Tullectl, OpenBreakersAreNamedWhereAnOperatorLooks) {
  view_.proxies[0].types.clear();
  view_.breakers.Put("post-1", "a",
                     {9,
                      {{"outbound|80||post.default.svc.cluster.local", "192.0.2.1:15080",
                        "connect_failed", kNow - 120}}});
  const std::string why = "for 2m, connection refused, or no route to the endpoint";
  EXPECT_EQ(Run({"status"}), 0) << err;
  EXPECT_NE(out.find("circuit breaker open for post.default.svc.cluster.local:80 at "
                     "192.0.2.1:15080 (" +
                     why + "); and 8 more"),
            std::string::npos)
      << out;
  EXPECT_EQ(Run({"status", "post-1"}), 0) << err;
  EXPECT_NE(out.find("CIRCUIT BREAKER"), std::string::npos) << out;
  EXPECT_EQ(Run({"services"}), 0) << err;
  EXPECT_NE(out.find("circuit breaker open for 192.0.2.1:15080 in post-1 (" + why + ")"),
            std::string::npos)
      << out;
  EXPECT_EQ(Run({"proxy-config", "post-1", "endpoints"}), 0) << err;
  EXPECT_NE(out.find("BREAKER OPEN"), std::string::npos) << out;
  EXPECT_NE(out.find("circuit breaker open " + why), std::string::npos) << out;
  EXPECT_EQ(Run({"check"}), 1);
  EXPECT_NE(out.find("× circuit breakers: open:"), std::string::npos) << out;
  EXPECT_NE(out.find("seen by post-1"), std::string::npos) << out;
}

TEST_F(Tullectl, CheckTellsTheWayToANewCredential) {
  ASSERT_TRUE(credentials_.Delete("ann", "test", kNow).ok());
  EXPECT_EQ(Run({"check"}), 1);
  EXPECT_NE(err.find("rejected the credential"), std::string::npos) << err;
  EXPECT_NE(err.find("tulle-control --data-dir DATA-DIR --reset-admin"), std::string::npos) << err;
}

TEST_F(Tullectl, WhatCannotBeRegisteredIsNamed) {
  for (const char* inbound : {"18080", "18080:8080", "18080:8080/", "0:1/http", "1:2:3:4/tcp"}) {
    EXPECT_EQ(
        Run({"register", "a", "--service", "a", "--address", "10.0.0.1", "--inbound", inbound}), 1);
    EXPECT_NE(err.find(std::string("invalid --inbound ") + inbound), std::string::npos) << err;
    EXPECT_NE(err.find("such as 18080:8080:80/http"), std::string::npos) << err;
  }
  EXPECT_EQ(Run({"register", "a", "--address", "10.0.0.1"}), 1);
  EXPECT_NE(err.find("--service is required"), std::string::npos) << err;
  EXPECT_EQ(Run({"envoy-bootstrap", "nobody", "--out", "/nonexistent"}), 1);
  EXPECT_NE(err.find("workload nobody is not registered"), std::string::npos) << err;
  EXPECT_NE(err.find("tullectl register nobody"), std::string::npos) << "the next step: " << err;
}

}  // namespace
}  // namespace tulle::cli
