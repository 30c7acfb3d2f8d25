// The commands against the real API in one process: only the way there is faked.
#include "control-plane/cli/tullectl.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "absl/strings/ascii.h"
#include "certs/authority.h"
#include "certs/private_key.h"
#include "certs/spiffe_id.h"
#include "control-plane/api/api.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/wrap.h"
#include "control-plane/store/sqlite_store.h"
#include "telemetry/version.h"

namespace tulle::cli {
namespace {

constexpr int64_t kNow = 1'790'000'000;

constexpr char kStrict[] =
    "apiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: all}\n"
    "spec: {targetRef: {kind: Mesh}, mode: STRICT}\n";
constexpr char kRoute[] =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: post}\n"
    "spec:\n  parentRefs: [{kind: Service, name: post}]\n  rules:\n"
    "  - backendRefs: [{name: post-v1, port: 80, weight: 90}, {name: post-v2, port: 80, weight: "
    "10}]\n";

class FakeView : public api::ControlPlaneView {
 public:
  FakeView() {
    discovery::Workload workload;
    workload.id = "post-1";
    workload.spiffe_id = "spiffe://cluster.local/ns/default/sa/post";
    workload.address = "192.0.2.1";
    workload.services = {{"default", "post"}};
    workload.inbound = {{15080, 8080, 80, policy::Protocol::kHttp}};
    mesh.trust_bundle_pem = "roots";
    mesh.workloads[workload.id] = workload;
    api::ProxyStatus proxy;
    proxy.name = "post-1";
    proxy.is_connected = true;
    proxy.connected_since = kNow - 300;
    proxy.certificate_not_after = kNow + 12 * 3600;
    proxy.sent_version = "1234567890abcdef";
    proxy.acknowledged_version = "fedcba0987654321";
    proxy.types = {{"clusters", "v2", "v1", "outbound|80||x", "bad cluster"},
                   {"listeners", "v2", "v2", "", ""}};
    proxies.push_back(proxy);
  }
  std::vector<api::ProxyStatus> Proxies(Detail) const override { return proxies; }
  std::optional<api::ProxyStatus> ProxyNamed(const std::string& name) const override {
    for (const api::ProxyStatus& proxy : proxies) {
      if (proxy.name == name) return proxy;
    }
    return std::nullopt;
  }
  const discovery::Mesh& CurrentMesh() const override { return mesh; }
  const discovery::ServiceTable& Services() const override {
    services_ = discovery::BuildServiceTable(mesh);
    return services_;
  }
  snapshot::ResourceTable ConfigOf(const std::string& proxy,
                                   std::string_view type_url) const override {
    return *snapshot::BuildSnapshot(mesh, {proxy}).TableOf(type_url);
  }
  size_t HeldLeases() const override { return 0; }
  uint16_t GrpcPort() const override { return 15912; }

  discovery::Mesh mesh;
  std::vector<api::ProxyStatus> proxies;

 private:
  mutable discovery::ServiceTable services_;
};

class DirectClient : public ApiClient {
 public:
  DirectClient(api::Api& api, const int64_t& now, std::string credential)
      : api_(api), now_(now), authorization_("Bearer " + std::move(credential)) {}
  absl::StatusOr<ApiReply> Send(const ApiCall& call) override {
    const api::ApiResponse response =
        api_.Handle({call.method, call.path, call.query, call.body, authorization_}, now_);
    return ApiReply{response.status, response.body};
  }
  void SetTrust(const std::string&) override {}

 private:
  api::Api& api_;
  const int64_t& now_;
  std::string authorization_;
};

class NobodyThere : public ApiClient {
 public:
  absl::StatusOr<ApiReply> Send(const ApiCall&) override {
    return absl::UnavailableError("it does not prove to be tulle-control");
  }
  void SetTrust(const std::string&) override {}
};

class Tullectl : public testing::Test {
 protected:
  Tullectl()
      : store_(*store::SqliteStore::Open(":memory:")),
        book_(*discovery::PolicyBook::Open(store_.get())),
        authority_(*ca::MeshAuthority::Open({}, store_.get(), &keys_, kNow)),
        tokens_(store_.get(), &keys_),
        credentials_(store_.get(), &keys_),
        api_({book_.get(), authority_.get(), &tokens_, &credentials_, &view_, [] {}, "0.0.9",
              nullptr, store_.get()}),
        folder_(testing::TempDir() + "/tullectl") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    secret_ = *credentials_.Create({"ann", api::Role::kAdmin}, "test", kNow);
    admin_ =
        Write("admin.json",
              R"({"server":"https://127.0.0.1:15016","ca":"PEM","credential":")" + secret_ + "\"}");
  }

  std::string Write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(WritePrivateFile(folder_ + "/" + name, text).ok());
    return folder_ + "/" + name;
  }

  bool is_unreachable = false;
  size_t width = 0;
  int64_t now = kNow;
  std::function<void()> on_pause = [] {};

  // The exit code; what it said is in out and err.
  int Run(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out_stream;
    std::ostringstream err_stream;
    Environment environment{.in = in, .out = out_stream, .err = err_stream};
    environment.variables = {{"HOME", folder_}};
    environment.now = [this] { return now; };
    environment.pause = [this](int64_t) { on_pause(); };
    environment.width = width;
    environment.connect = [&](const Destination& destination) -> std::unique_ptr<ApiClient> {
      if (is_unreachable) return std::make_unique<NobodyThere>();
      return std::make_unique<DirectClient>(api_, now, destination.credential);
    };
    arguments.insert(arguments.end(), {"--credential-file", admin_});
    const int code = RunTullectl(arguments, environment);
    out = out_stream.str();
    err = err_stream.str();
    EXPECT_EQ((out + err).find(secret_), std::string::npos) << "a credential was printed";
    return code;
  }

  std::string out;
  std::string err;
  certs::SystemKeySource keys_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<discovery::PolicyBook> book_;
  std::unique_ptr<ca::MeshAuthority> authority_;
  ca::JoinTokens tokens_;
  api::Credentials credentials_;
  FakeView view_;
  api::Api api_;
  std::string folder_;
  std::string secret_;
  std::string admin_;
};

TEST_F(Tullectl, AppliesShowsComparesAndDeletes) {
  EXPECT_EQ(Run({"get", "httproutes"}), 0);
  EXPECT_EQ(out, "");
  EXPECT_EQ(err, "No resources found in default namespace.\n");
  EXPECT_EQ(Run({"apply", "-f", Write("a.yaml", kStrict), "-f", "-"}, kRoute), 0) << err;
  EXPECT_EQ(out, "peerauthentication/all created\nhttproute/post created\n");
  EXPECT_EQ(Run({"apply", "-f", "-"}, kStrict), 0);
  EXPECT_EQ(out, "peerauthentication/all unchanged\n");
  EXPECT_EQ(Run({"get", "hr"}), 0);
  EXPECT_EQ(out,
            "NAME   TARGET         SUMMARY                 AGE\n"
            "post   Service/post   post-v1=90,post-v2=10   0s\n");
  EXPECT_EQ(Run({"get", "all", "-A"}), 0);
  EXPECT_EQ(out,
            "NAMESPACE   NAME                     TARGET         SUMMARY                 AGE\n"
            "default     httproute/post           Service/post   post-v1=90,post-v2=10   0s\n"
            "default     peerauthentication/all   Mesh           STRICT                  0s\n");
  EXPECT_EQ(Run({"get", "hr/post", "pa/all", "-o", "name"}), 0) << err;
  EXPECT_EQ(out, "httproute/post\npeerauthentication/all\n");
  EXPECT_EQ(Run({"diff", "-f", "-"}, kStrict), 0);
  EXPECT_EQ(out, "");
  std::string permissive = kStrict;
  permissive.replace(permissive.find("STRICT"), 6, "PERMISSIVE");
  EXPECT_EQ(Run({"diff", "-f", "-"}, permissive), 1);
  EXPECT_NE(out.find("\n-  mode: STRICT\n+  mode: PERMISSIVE\n"), std::string::npos) << out;
  EXPECT_EQ(Run({"delete", "peerauthentication", "all"}), 0);
  EXPECT_EQ(out, "peerauthentication/all deleted\n");
  EXPECT_EQ(Run({"delete", "pa", "all"}), 1);
  EXPECT_NE(err.find("hint: "), std::string::npos) << err;
  EXPECT_EQ(Run({"delete", "pa", "all", "--ignore-not-found"}), 0);
  EXPECT_EQ(Run({"delete", "-f", "-"}, kRoute), 0);
  EXPECT_EQ(out, "httproute/post deleted\n");
}

TEST_F(Tullectl, WhatIsDeletedTogetherIsOneChange) {
  const std::string both = std::string(kStrict) + "---\n" + kRoute;
  ASSERT_EQ(Run({"apply", "-f", "-"}, both), 0);
  EXPECT_EQ(Run({"delete", "-f", "-", "--dry-run"}, both), 0) << err;
  EXPECT_EQ(out, "peerauthentication/all deleted (dry run)\nhttproute/post deleted (dry run)\n");
  ASSERT_EQ(Run({"delete", "-f", "-"}, both), 0) << err;
  ASSERT_EQ(Run({"rollback"}), 0) << err;
  EXPECT_EQ(Run({"get", "all", "-o", "name"}), 0);
  EXPECT_EQ(out, "httproute/post\npeerauthentication/all\n");
  // Existing policies are deleted, and the others reported once.
  EXPECT_EQ(Run({"delete", "hr/post", "rp/none", "hr/other"}), 1);
  EXPECT_EQ(out, "httproute/post deleted\n");
  EXPECT_EQ(
      err,
      "error: not found: resiliencepolicy/none, httproute/other\n"
      "hint: list policies with `tullectl get resiliencepolicies`, `tullectl get httproutes`; "
      "--ignore-not-found ignores missing ones\n");
  EXPECT_EQ(Run({"delete", "hr,rp", "post", "--ignore-not-found"}), 0) << err;
  EXPECT_EQ(Run({"delete", "all", "post"}), 1);
  EXPECT_NE(err.find("hint: use KIND post or KIND/post"), std::string::npos) << err;
}

TEST_F(Tullectl, ApplyWarnsOfWhatHasNoEffect) {
  EXPECT_EQ(Run({"apply", "-f", "-"}, kStrict), 0);
  EXPECT_EQ(err, "");
  EXPECT_EQ(Run({"apply", "-f", "-"}, kRoute), 0);
  EXPECT_EQ(out, "httproute/post created\n");
  EXPECT_NE(err.find("warning: httproute/post spec.rules[0].backendRefs[0]: "
                     "Service default/post-v1 not found\n"),
            std::string::npos)
      << err;
  EXPECT_NE(err.find("Service default/post-v2 not found\nhint: "), std::string::npos) << err;
  EXPECT_EQ(err.find("parentRefs"), std::string::npos) << err;
}

TEST_F(Tullectl, HintsNameTheListThatHasIt) {
  EXPECT_EQ(Run({"get", "hr", "foo"}), 1);
  EXPECT_NE(err.find("`tullectl get httproutes`"), std::string::npos) << err;
  EXPECT_EQ(Run({"get", "ap", "foo", "-n", "shop"}), 1);
  EXPECT_NE(err.find("`tullectl get authorizationpolicies -n shop`"), std::string::npos) << err;
}

TEST_F(Tullectl, ADryRollbackSaysWhereItsDifferencesComeFrom) {
  ASSERT_EQ(Run({"apply", "-f", "-"}, kStrict), 0);
  std::string permissive = kStrict;
  permissive.replace(permissive.find("STRICT"), 6, "PERMISSIVE");
  const int64_t first = book_->revision();
  ASSERT_EQ(Run({"apply", "-f", "-"}, permissive), 0);
  ASSERT_EQ(Run({"rollback", "--to-revision", std::to_string(first), "--dry-run"}), 0) << err;
  EXPECT_NE(out.find("+++ peerauthentication/all (revision " + std::to_string(first) + ")\n"),
            std::string::npos)
      << out;
  ASSERT_EQ(Run({"rollback", "--dry-run"}), 0) << err;
  EXPECT_NE(out.find(" (before the last change)\n"), std::string::npos) << out;
}

TEST_F(Tullectl, WideSaysWhoAndWhen) {
  ASSERT_EQ(Run({"apply", "-f", "-"}, kStrict), 0);
  EXPECT_EQ(Run({"get", "pa", "-o", "wide"}), 0) << err;
  const std::string revision = std::to_string(book_->revision());
  EXPECT_EQ(out,
            "NAME   TARGET   SUMMARY   AGE   REVISION   CHANGED   BY\n"
            "all    Mesh     STRICT    0s    " +
                revision + "          0s ago    ann\n");
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
      EXPECT_LE(WidthOf(line), width) << command[0] << ": " << line;
    }
  }
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

TEST_F(Tullectl, WhatGetWroteCanBeAppliedAgain) {
  ASSERT_EQ(Run({"apply", "-f", "-"}, std::string(kStrict) + "---\n" + kRoute), 0);
  ASSERT_EQ(Run({"get", "all", "-o", "yaml"}), 0);
  const std::string yaml = out;
  EXPECT_EQ(Run({"apply", "-f", "-"}, yaml), 0) << err << yaml;
  EXPECT_EQ(out, "httproute/post unchanged\npeerauthentication/all unchanged\n");
  ASSERT_EQ(Run({"get", "httproute", "post", "-o", "json"}), 0);
  EXPECT_EQ(Run({"apply", "-f", "-"}, out), 0) << err;
  EXPECT_EQ(out, "httproute/post unchanged\n");
  ASSERT_EQ(Run({"get", "all", "-o", "json"}), 0);
  const std::string list = out;
  EXPECT_NE(list.find("\"kind\": \"List\""), std::string::npos) << list;
  EXPECT_EQ(Run({"apply", "-f", "-"}, list), 0) << err << list;
  EXPECT_EQ(out, "httproute/post unchanged\npeerauthentication/all unchanged\n");
  EXPECT_EQ(Run({"validate", "-f", "-"}, list), 0) << err;
  EXPECT_EQ(Run({"delete", "-f", "-"}, list), 0) << err;
}

TEST_F(Tullectl, InvalidNamesAreRefused) {
  for (const char* bad : {"A B", "../x", "a.b"}) {
    EXPECT_EQ(Run({"get", "httproute", "-n", bad}), 1) << bad;
    EXPECT_EQ(err.find("error: invalid namespace \"" + std::string(bad) + "\"\nhint: use lower"), 0)
        << err;
    EXPECT_EQ(Run({"config", "set-context", "here", "-n", bad}), 1) << bad;
  }
  ASSERT_EQ(Run({"apply", "-f", "-"}, kRoute), 0) << err;
  EXPECT_EQ(Run({"get", "httproute", "-A", "post"}), 1);
  EXPECT_EQ(err,
            "error: a resource cannot be retrieved by name across all namespaces\n"
            "hint: use -n NAMESPACE\n");
  for (const char* bad : {"A B", "../x"}) {
    EXPECT_EQ(Run({"credential", "create", bad}), 1) << bad;
    EXPECT_EQ(err.find("error: name: invalid credential name \"" + std::string(bad)), 0) << err;
  }
  EXPECT_EQ(Run({"credential", "create", "Ann_2@example.org"}), 0) << err;
}

TEST_F(Tullectl, DocumentsWithoutANamespaceGoWhereTheCommandSays) {
  ASSERT_EQ(Run({"apply", "-n", "shop", "-f", "-"}, kRoute), 0) << err;
  EXPECT_EQ(out, "httproute/post created in namespace shop\n");
  EXPECT_EQ(Run({"diff", "-n", "shop", "-f", "-"}, kRoute), 0) << out;
  EXPECT_EQ(Run({"get", "hr", "-n", "shop", "-o", "name"}), 0);
  EXPECT_EQ(out, "httproute/post\n");
  ASSERT_EQ(Run({"config", "set-context", "here", "-n", "shop"}), 0) << err;
  EXPECT_EQ(Run({"delete", "-f", "-"}, kRoute), 0) << err;
  std::string elsewhere = kRoute;
  elsewhere.replace(elsewhere.find("{name: post}"), 12, "{name: post, namespace: other}");
  EXPECT_EQ(Run({"apply", "-n", "shop", "-f", "-"}, elsewhere), 1);
  EXPECT_NE(
      err.find("standard input:1: metadata.namespace: namespace other does not match -n shop"),
      std::string::npos)
      << err;
}

TEST_F(Tullectl, OneBadFileAppliesNothingAndIsNamed) {
  std::string bad = kStrict;
  bad.replace(bad.find("STRICT"), 6, "STRCIT");
  const std::string path = Write("bad.yaml", bad);
  const std::string good = Write("good.yaml", kRoute);
  EXPECT_EQ(Run({"apply", "-f", good, "-f", path}), 1);
  EXPECT_NE(err.find(path + ":4:33: spec.mode: "), std::string::npos) << err;
  EXPECT_NE(err.find("did you mean STRICT?"), std::string::npos) << err;
  EXPECT_EQ(Run({"get", "all"}), 0);
  EXPECT_EQ(out, "");
  EXPECT_EQ(Run({"diff", "-f", path}), 2);
  EXPECT_EQ(Run({"validate", "-f", path}), 1);
  EXPECT_NE(err.find(path + ":4:33: spec.mode: "), std::string::npos) << err;
  EXPECT_EQ(Run({"validate", "-f", good}), 0);
  EXPECT_EQ(out, "1 policy is valid\n");
}

TEST_F(Tullectl, ExplainDescribesKindsAndFields) {
  EXPECT_EQ(Run({"explain"}), 0) << err;
  EXPECT_NE(out.find("HTTPRoute"), std::string::npos) << out;
  EXPECT_EQ(Run({"explain", "rp.spec.timeouts"}), 0) << err;
  EXPECT_TRUE(
      out.starts_with("KIND:     ResiliencePolicy\nVERSION:  tulle.dev/v1alpha1\n\n"
                      "FIELD:    timeouts <object>\n\nDESCRIPTION:\n     Time limits.\n"))
      << out;
  EXPECT_NE(out.find("\n  connect  <duration, not 0s> default: 3s\n     Time to establish"),
            std::string::npos)
      << out;
  EXPECT_EQ(Run({"explain", "httproute.spec", "--recursive"}), 0) << err;
  EXPECT_NE(out.find("\n           type  <Exact, PathPrefix or RegularExpression> default: Path"),
            std::string::npos)
      << out;
  EXPECT_EQ(Run({"explain", "rp.spec.timeout.request"}), 1);
  EXPECT_NE(err.find("unknown field \"timeout\" of ResiliencePolicy\nhint: did you mean timeouts?"),
            std::string::npos)
      << err;
  EXPECT_EQ(Run({"explain", "rp..timeouts"}), 1);
  EXPECT_NE(err.find("unknown field \"\" of ResiliencePolicy"), std::string::npos) << err;
  EXPECT_EQ(Run({"explain", "rp.spec..request"}), 1);
  EXPECT_EQ(Run({"explain", "httprout"}), 1);
  EXPECT_NE(err.find("did you mean httproute?"), std::string::npos) << err;
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

TEST_F(Tullectl, ATokenAloneGoesToStandardOutput) {
  ASSERT_EQ(Run({"token", "create", "--service", "post", "--ttl", "10m"}), 0) << err;
  const std::string token = out.substr(0, out.size() - 1);
  const auto grant = tokens_.Redeem(token, kNow);
  ASSERT_TRUE(grant.ok()) << token;
  EXPECT_EQ(grant->expires_at, kNow + 600);
  EXPECT_EQ(err.find(token), std::string::npos);
  EXPECT_EQ(Run({"token", "create"}), 1);
  EXPECT_EQ(Run({"token", "create", "--service", "post", "--ttl", "soon"}), 1);
}

TEST_F(Tullectl, TokensAreListedAndRevokedByTheirIds) {
  ASSERT_EQ(Run({"token", "list"}), 0) << err;
  EXPECT_NE(err.find("tullectl token create"), std::string::npos) << err;
  ASSERT_EQ(Run({"token", "create", "--service", "post", "--ttl", "1d"}), 0) << err;
  const std::string token = out.substr(0, out.size() - 1);
  ASSERT_EQ(Run({"token", "list"}), 0) << err;
  EXPECT_NE(out.find("default/post   0s    in 24h"), std::string::npos) << out;
  EXPECT_EQ(out.find(token.substr(token.size() - 64)), std::string::npos);
  ASSERT_EQ(Run({"token", "list", "-o", "name"}), 0) << err;
  const std::string id = out.substr(0, out.size() - 1);
  ASSERT_TRUE(tokens_.Redeem(token, kNow).ok());
  EXPECT_EQ(Run({"token", "revoke", "3"}), 1);
  EXPECT_NE(err.find("tullectl token list"), std::string::npos) << err;
  ASSERT_EQ(Run({"token", "revoke", id}), 0) << err;
  EXPECT_FALSE(tokens_.Redeem(token, kNow).ok());
  EXPECT_EQ(Run({"token", "revoke", id}), 1);
}

TEST_F(Tullectl, CredentialsComeAndGo) {
  const std::string path = folder_ + "/rob.json";
  ASSERT_EQ(Run({"credential", "create", "rob", "--out", path}), 0) << err;
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600);
  EXPECT_EQ(Run({"credential", "create", "rob", "--out", path}), 1);
  EXPECT_NE(err.find("--force"), std::string::npos) << err;
  EXPECT_EQ(Run({"credential", "create", "rob", "--role", "root"}), 1);
  EXPECT_NE(err.find("supported values: reader, admin"), std::string::npos) << err;
  ASSERT_EQ(Run({"credential", "list"}), 0) << err;
  EXPECT_EQ(out,
            "NAME   ROLE     AGE\n"
            "ann    admin    0s\n"
            "rob    reader   0s\n");
  const std::string admin = std::exchange(admin_, path);
  EXPECT_EQ(Run({"services"}), 0) << err;
  EXPECT_EQ(Run({"apply", "-f", "-"}, kStrict), 1);
  EXPECT_NE(err.find("rob has the role reader"), std::string::npos) << err;
  admin_ = admin;
  ASSERT_EQ(Run({"credential", "delete", "rob"}), 0) << err;
  EXPECT_EQ(Run({"credential", "delete", "rob"}), 1);
  EXPECT_NE(err.find("tullectl credential list"), std::string::npos) << err;
  admin_ = path;
  EXPECT_EQ(Run({"services"}), 1);
}

TEST_F(Tullectl, ACertificateIsIssuedForAKeyMadeHere) {
  const std::string folder = folder_ + "/identity";
  ASSERT_EQ(Run({"cert", "issue", "--service", "envoy", "--out", folder}), 0) << err;
  EXPECT_NE(out.find("spiffe://cluster.local/ns/default/sa/envoy"), std::string::npos) << out;
  for (const char* name : {"key.pem", "cert.pem", "ca.pem"}) {
    struct stat status {};
    ASSERT_EQ(stat((folder + "/" + name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_mode & 0777, 0600) << name;
  }
  const auto key = certs::PrivateKey::FromPem(*ReadFile(folder + "/key.pem"));
  const auto chain = certs::ParsePemCertificates(*ReadFile(folder + "/cert.pem"));
  ASSERT_TRUE(key.ok() && chain.ok());
  EXPECT_TRUE(certs::Matches(chain->front(), key->native()));
  EXPECT_EQ(err, "");
  EXPECT_EQ(Run({"cert", "issue", "--service", "envoy", "--out", folder}), 1);
  EXPECT_NE(err.find("--force"), std::string::npos);
  // What is signed for a shorter time than asked says so.
  EXPECT_EQ(Run({"cert", "issue", "--service", "envoy", "--out", folder, "--force", "--ttl", "2h"}),
            0);
  EXPECT_EQ(err, "");
  EXPECT_EQ(
      Run({"cert", "issue", "--service", "envoy", "--out", folder, "--force", "--ttl", "100h"}), 0);
  EXPECT_NE(err.find("shorter than the requested 4d4h"), std::string::npos) << err;
}

TEST_F(Tullectl, ARotationHandsTheNewRootsToTheCredentialFile) {
  authority_->rotation().OnConnected("post-1");
  ASSERT_EQ(Run({"cert", "rotate"}), 0) << err;
  EXPECT_EQ(out, "announcing the new root, waiting for post-1\n");
  EXPECT_NE(ReadFile(admin_)->find("BEGIN CERTIFICATE"), std::string::npos);
  EXPECT_EQ(Run({"cert", "rotate"}), 1);
  EXPECT_EQ(Run({"cert", "roots"}), 0);
  EXPECT_EQ(out.find("PRIVATE KEY"), std::string::npos);
  // What is waited for is no column.
  EXPECT_NE(out.find("\n    waiting for post-1\n"), std::string::npos) << out;
}

TEST_F(Tullectl, ARotationWhereNobodyHoldsACertificateIsDoneAtOnce) {
  const std::string before = authority_->root_key_hash();
  ASSERT_EQ(Run({"cert", "rotate"}), 0) << err;
  EXPECT_TRUE(
      out.starts_with("No proxy has a certificate: the rotation is complete.\n"
                      "new root: "))
      << out;
  EXPECT_NE(authority_->root_key_hash(), before);
}

TEST_F(Tullectl, ARotationSaysUntilWhenItWaitsForCertificatesInFiles) {
  ASSERT_EQ(Run({"cert", "issue", "--service", "envoy", "--out", folder_ + "/identity"}), 0) << err;
  ASSERT_EQ(Run({"cert", "rotate"}), 0) << err;
  EXPECT_NE(out.find("certificates of proxies that are not connected to expire (the last in 2"),
            std::string::npos)
      << out;
  // It watches on for the day that this takes.
  on_pause = [this] {
    now += 3600;
    EXPECT_TRUE(authority_->AdvanceRotation(now).ok());
  };
  EXPECT_EQ(Run({"cert", "rotate", "--watch"}), 0) << err;
  EXPECT_GT(now, kNow + 23 * 3600);
  EXPECT_NE(out.find("A rotation is already in progress."), std::string::npos) << out;
  EXPECT_NE(out.find("\nnew root: "), std::string::npos) << out;
  EXPECT_EQ(err, "");
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
  EXPECT_EQ(Run({"version"}), 0);
  EXPECT_EQ(out, std::string("tullectl ") + telemetry::kVersion + "\ntulle-control 0.0.9\n");
}

TEST_F(Tullectl, ABadCredentialNamesItsFile) {
  const std::string stranger =
      Write("stranger.json", R"({"ca":"PEM","credential":"unknown-word"})");
  admin_ = stranger;
  EXPECT_EQ(Run({"status"}), 1);
  EXPECT_NE(err.find(stranger), std::string::npos) << err;
  EXPECT_EQ(err.find("unknown-word"), std::string::npos) << err;
}

TEST_F(Tullectl, ContextsAreMadeChosenAndForgotten) {
  EXPECT_EQ(Run({"config", "set-context", "local", "-n", "shop"}), 0) << err;
  EXPECT_EQ(out, "Context \"local\" created, in use.\n");
  EXPECT_EQ(Run({"config", "set-context", "far", "--server", "mesh.example"}), 0) << err;
  EXPECT_EQ(Run({"config", "get-contexts"}), 0);
  EXPECT_EQ(out,
            "CURRENT   NAME    SERVER                       NAMESPACE\n"
            "*         local   (from the credential file)   shop\n"
            "          far     https://mesh.example:15016   default\n");
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

TEST_F(Tullectl, CheckTellsTheWayToANewCredential) {
  ASSERT_TRUE(credentials_.Delete("ann", "test", kNow).ok());
  EXPECT_EQ(Run({"check"}), 1);
  EXPECT_NE(err.find("rejected the credential"), std::string::npos) << err;
  EXPECT_NE(err.find("tulle-control --data-dir DATA-DIR --reset-admin"), std::string::npos) << err;
}

// A backup of the fixture's store, and a folder that it is brought back to.
class Restoring : public Tullectl {
 protected:
  Restoring() {
    EXPECT_EQ(Run({"apply", "-f", "-"}, kStrict), 0) << err;
    std::filesystem::create_directories(data_);
  }
  void Take() { EXPECT_EQ(Run({"backup", backup_, "--force"}), 0) << err; }
  int Restore(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"restore", backup_, "--data-dir", data_});
    return Run(more);
  }
  // The modes of what is in the folder now, by name.
  std::map<std::string, bool> Stored() {
    std::map<std::string, bool> strict;
    const auto store = store::SqliteStore::Open(data_ + "/tulle.db");
    EXPECT_TRUE(store.ok()) << store.status();
    if (!store.ok()) return strict;
    const auto records = (*store)->List(store::Collection::kPolicy);
    for (const store::Record& record : *records) {
      strict[record.key] = record.value.find("STRICT") != std::string::npos;
    }
    return strict;
  }
  bool IsThere(const std::string& name) { return std::filesystem::exists(data_ + "/" + name); }

  const std::string backup_ = folder_ + "/mesh.backup";
  const std::string data_ = folder_ + "/data";
  const std::string aside_ = "tulle.db.before-restore-" + std::to_string(kNow);
  const std::map<std::string, bool> whole_ = {{"PeerAuthentication/default/all", true}};
};

TEST_F(Restoring, AStoreThatCannotBeReadIsNotInUseAndIsPutAside) {
  Take();
  const std::string damaged(8192, 'x');
  ASSERT_TRUE(WritePrivateFile(data_ + "/tulle.db", damaged).ok());
  EXPECT_EQ(Restore(), 1);
  EXPECT_NE(err.find("or --force"), std::string::npos) << err;
  EXPECT_EQ(Restore({"--force"}), 0) << err;
  EXPECT_EQ(Stored(), whole_);
  EXPECT_EQ(*ReadFile(data_ + "/" + aside_), damaged);
}

// As after a kill and `mv tulle.db elsewhere`: the log that stays is of another store.
TEST_F(Restoring, TheLogOfAnotherStoreIsNeverReplayed) {
  Take();
  {
    const auto other = *store::SqliteStore::Open(folder_ + "/other.db");
    store::Transaction transaction("bob", kNow);
    transaction.Put(store::Collection::kPolicy, "PeerAuthentication/default/foreign", "PERMISSIVE");
    ASSERT_TRUE(other->Commit(transaction).ok());
    std::filesystem::copy(folder_ + "/other.db-wal", data_ + "/tulle.db-wal");
  }
  ASSERT_GT(std::filesystem::file_size(data_ + "/tulle.db-wal"), 0u);
  EXPECT_EQ(Restore(), 0) << err;
  EXPECT_EQ(Stored(), whole_);
  EXPECT_TRUE(IsThere(aside_ + "-wal"));
  EXPECT_NE(out.find(aside_), std::string::npos) << out;
}

// Between the former store and the new one nobody may begin an empty one.
TEST_F(Restoring, OneThatWasCutShortIsSaidAndRepeated) {
  Take();
  ASSERT_TRUE(WritePrivateFile(data_ + "/tulle.db.restoring", "whatever").ok());
  const auto store = store::SqliteStore::Open(data_ + "/tulle.db");
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(store.status().message().find("repeat `tullectl restore`"), absl::string_view::npos);
  EXPECT_FALSE(IsThere("tulle.db"));
  EXPECT_EQ(Restore(), 0) << err;
  EXPECT_EQ(Stored(), whole_);
  EXPECT_FALSE(IsThere("tulle.db.restoring"));
  EXPECT_FALSE(IsThere("tulle.db.checking"));
}

TEST_F(Restoring, PoliciesOfTheBackupThatCannotBeReadAreNamed) {
  store::Transaction transaction("later version", kNow);
  transaction.Put(store::Collection::kPolicy, "AuthorizationPolicy/shop/guard", "{\"new\": 1}");
  transaction.Put(store::Collection::kPolicy, "HTTPRoute/shop/web", "{");
  ASSERT_TRUE(store_->Commit(transaction).ok());
  Take();
  EXPECT_EQ(Restore(), 0) << err;
  EXPECT_NE(err.find("  AuthorizationPolicy/shop/guard: "), std::string::npos) << err;
  EXPECT_NE(err.find("  HTTPRoute/shop/web: "), std::string::npos) << err;
  EXPECT_NE(err.find("--ignore-unreadable-policies"), std::string::npos) << err;
}

TEST_F(Restoring, IntoAnEmptyFolderItSaysHowTheAdminGetsIn) {
  Take();
  std::filesystem::remove_all(data_);
  EXPECT_EQ(Restore(), 0) << err;
  EXPECT_NE(err.find("--reset-admin"), std::string::npos) << err;
  EXPECT_EQ(err.find("cannot parse"), std::string::npos) << err;
  struct stat status {};
  ASSERT_EQ(stat(data_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700);
  ASSERT_TRUE(WritePrivateFile(data_ + "/admin-credential", "x").ok());
  EXPECT_EQ(Restore({"--force"}), 0) << err;
  EXPECT_EQ(err.find("--reset-admin"), std::string::npos) << err;
}

}  // namespace
}  // namespace tulle::cli
