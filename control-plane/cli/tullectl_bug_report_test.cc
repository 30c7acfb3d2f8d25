#include <sys/stat.h>

#define ZLIB_CONST
#include <zlib.h>

#include <filesystem>
#include <map>

#include "absl/strings/match.h"
#include "control-plane/cli/pod_logs.h"
#include "control-plane/cli/redaction.h"
#include "control-plane/cli/tar_archive.h"
#include "control-plane/cli/tullectl_cluster_fixture.h"

namespace tulle::cli {
namespace {

std::string Inflated(const std::string& gzip) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 | 16), Z_OK);
  std::string out(64 << 20, '\0');
  stream.next_in = reinterpret_cast<const Bytef*>(gzip.data());
  stream.avail_in = static_cast<uInt>(gzip.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

std::map<std::string, std::string> FilesOf(const std::string& tar) {
  std::map<std::string, std::string> files;
  for (size_t at = 0; at + 512 <= tar.size() && tar[at] != '\0';) {
    const std::string name = tar.substr(at, 100).c_str();
    const size_t size = std::stoull(tar.substr(at + 124, 11), nullptr, 8);
    files[name] = tar.substr(at + 512, size);
    at += 512 + (size + 511) / 512 * 512;
  }
  return files;
}

TEST(TarArchive, FilesAreInBlocksAndTheEndIsTwoOfZeros) {
  TarArchive archive(1'790'000'000);
  archive.Add("folder/a", "text");
  archive.Add("folder/empty", "");
  archive.Add("folder/whole", std::string(512, 'x'));
  const std::string tar = Inflated(archive.Gzipped());
  EXPECT_EQ(tar.size(), 512u * (2 + 1 + 2 + 2));
  EXPECT_EQ(tar.substr(257, 5), "ustar");
  EXPECT_EQ(
      FilesOf(tar),
      (std::map<std::string, std::string>{
          {"folder/a", "text"}, {"folder/empty", ""}, {"folder/whole", std::string(512, 'x')}}));
}

TEST(Redaction, ValuesGoAndStructureStays) {
  const Json policy = {
      {"kind", "HTTPRoute"},
      {"metadata", {{"name", "post"}, {"annotations", {{"last-applied", "{hidden}"}}}}},
      {"rules",
       {{{"matches",
          {{{"path", {{"type", "Exact"}, {"value", "/items"}}},
            {"headers", {{{"name", "x-key"}, {"value", "hidden"}}}}}}},
         {"filters",
          {{{"requestHeaderModifier",
             {{"set", {{{"name", "Authorization"}, {"value", "hidden"}}}}}}}}}}}}};
  const Json shown = Redacted(policy);
  EXPECT_FALSE(absl::StrContains(shown.dump(), "hidden")) << shown;
  EXPECT_EQ(shown["metadata"]["name"], "post");
  EXPECT_EQ(shown["rules"][0]["matches"][0]["path"]["value"], "/items");
  EXPECT_EQ(shown["rules"][0]["matches"][0]["headers"][0]["name"], "x-key");
  const Json xds = {
      {"request_headers_to_add", {{{"header", {{"key", "x-key"}, {"value", "hidden"}}}}}},
      {"headers", {{{"name", "x-key"}, {"string_match", {{"safe_regex", {{"regex", "hidden"}}}}}}}},
      {"direct_response", {{"status", 403}, {"body", {{"inline_string", "hidden"}}}}},
      {"private_key", "hidden"},
      {"sds_secret_config", {{"name", "ROOTCA"}}},
      {"tokens_per_fill", 5}};
  const Json kept = Redacted(xds);
  EXPECT_FALSE(absl::StrContains(kept.dump(), "hidden")) << kept;
  EXPECT_EQ(kept["sds_secret_config"]["name"], "ROOTCA");
  EXPECT_EQ(kept["direct_response"]["status"], 403);
  EXPECT_EQ(kept["tokens_per_fill"], 5);
}

TEST(Redaction, SecretsInTextsGo) {
  const std::string jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ3ZWIifQ.c2lnbmF0dXJlLWhlcmU";
  const std::string pem =
      "-----BEGIN EC PRIVATE KEY-----\nMHcCAQ==\n-----END EC PRIVATE KEY-----\n";
  const std::string certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  const auto safe = [](const std::string& text) { return WithoutSecrets(text, {"known0word"}); };
  EXPECT_EQ(safe("a " + pem + certificate), "a [redacted]\n" + certificate);
  EXPECT_EQ(safe(certificate + pem + "b"), certificate + "[redacted]\nb");
  EXPECT_EQ(safe("\"token\": \"tulle1.ab.cd\", " + jwt + ";"),
            "\"token\": \"[redacted]\", [redacted];");
  EXPECT_EQ(safe("authorization: Bearer abcdefgh12 known0word"),
            "authorization: Bearer [redacted] [redacted]");
  EXPECT_EQ(safe("http://user:pass@host/x://y http://host/a@b"),
            "http://[redacted]@host/x://y http://host/a@b");
  EXPECT_EQ(safe("-----BEGIN PRIVATE KEY-----\\nMHcCAQ cut"), "[redacted]");
}

TEST(Redaction, QueriesGo) {
  const auto safe = [](const std::string& text) { return WithoutSecrets(text, {}); };
  EXPECT_EQ(safe("GET /a?b=hidden&c=hidden HTTP/1.1"), "GET /a?[redacted] HTTP/1.1");
  EXPECT_EQ(safe("/a?hidden&b=1"), "/a?[redacted]");
  EXPECT_EQ(safe("/a?hidden next"), "/a?[redacted] next");
  EXPECT_EQ(safe("/a?" + std::string(1000, 'x') + "=hidden"), "/a?[redacted]");
  EXPECT_EQ(safe("/login%3Fkey=hidden /login%3fhidden%26a"),
            "/login%3F[redacted] /login%3f[redacted]");
  EXPECT_EQ(safe(R"({"path":"/a?b=hidden","status":200})"),
            R"({"path":"/a?[redacted]","status":200})");
  EXPECT_EQ(safe(R"("said \"/a?b=hidden\" twice")"), R"("said \"/a?[redacted] twice")");
  EXPECT_EQ(safe(R"("/a?b=x\"hidden")"), R"("/a?[redacted]")");
  EXPECT_EQ(safe("why? a=b (c?) d?, /e?"), "why? a=b (c?) d?, /e?");
  EXPECT_EQ(safe("/a?b=x\\"), "/a?[redacted]");
}

TEST(Redaction, PasswordsMayContainAnAt) {
  const auto safe = [](const std::string& text) { return WithoutSecrets(text, {}); };
  EXPECT_EQ(safe("http://user:p@ss@host/x"), "http://[redacted]@host/x");
  EXPECT_EQ(safe("\"https://user:p@s@s@host:80\""), "\"https://[redacted]@host:80\"");
  EXPECT_EQ(safe("postgres://u:p?x@host"), "postgres://[redacted]@host");
  EXPECT_EQ(safe("http://token@host http://host/@a"), "http://[redacted]@host http://host/@a");
}

TEST(Redaction, ValuesOfAuthorizationGo) {
  const auto safe = [](const std::string& text) { return WithoutSecrets(text, {}); };
  for (const char* scheme : {"Bearer", "BEARER", "bearer", "Basic", "bASIC", "ApiKey", "Api-Key",
                             "NTLM", "Negotiate", "Token", "DPoP"}) {
    const std::string head = std::string("authorization: ") + scheme + " ";
    EXPECT_EQ(safe(head + "aGlkZGVu0w== x"), head + "[redacted] x");
    EXPECT_EQ(safe("\"" + head + "id:hidden0\", 1"), "\"" + head + "[redacted]\", 1");
  }
  EXPECT_EQ(safe("Digest username=\"hidden\", response=\"hidden\"\nnext"),
            "Digest [redacted]\nnext");
  EXPECT_EQ(safe(R"({"a":"digest username=\"hidden\", nc=01, response=\"hidden\"","b":"c"})"),
            R"({"a":"digest [redacted]","b":"c"})");
  EXPECT_EQ(safe("AWS4-HMAC-SHA256 Credential=hidden/s3, Signature=hidden\r\nhost: a"),
            "AWS4-HMAC-SHA256 [redacted]\r\nhost: a");
  EXPECT_EQ(safe("OAuth oauth_token=\"hidden"), "OAuth [redacted]");
  const std::string prose = "a token refreshed, negotiate protocols; the digest mismatched: tokens";
  EXPECT_EQ(safe(prose), prose);
}

// As long as the largest log, and nothing but what is taken out.
TEST(Redaction, ATextOfSecretsIsReadOnce) {
  std::string text;
  std::string expected;
  for (int i = 0; i < 150'000; ++i) {
    text += "/a?b=hidden Bearer 0123456789 http://u:p@h ";
    expected += "/a?[redacted] Bearer [redacted] http://[redacted]@h ";
  }
  EXPECT_EQ(WithoutSecrets(text, {}), expected);
}

TEST(Redaction, FreeMetadataGoes) {
  const Json workload = {{"id", "web-1"},
                         {"metadata", {{"note", "hidden"}, {"tulle.dev/metrics-port", "15090"}}}};
  Json shown = Redacted(workload);
  EXPECT_EQ(shown["metadata"]["note"], "[redacted]");
  EXPECT_EQ(shown["metadata"]["tulle.dev/metrics-port"], "15090");
  shown =
      Redacted({{"metadata",
                 {{"name", "post"},
                  {"namespace", "shop"},
                  {"generation", 3},
                  {"labels", {{"team", "hidden"}}},
                  {"filter_metadata", {{"tulle", {{"a", 1}}}, {"other", {{"b", "hidden"}}}}}}}});
  EXPECT_FALSE(absl::StrContains(shown.dump(), "hidden")) << shown;
  EXPECT_EQ(shown["metadata"]["name"], "post");
  EXPECT_EQ(shown["metadata"]["namespace"], "shop");
  EXPECT_EQ(shown["metadata"]["generation"], 3);
  EXPECT_EQ(shown["metadata"]["filter_metadata"]["tulle"]["a"], 1);
}

TEST(ItemPath, ANameIsOneSegment) {
  EXPECT_EQ(ItemPath("/v1/proxies", "web-1"), "/v1/proxies/web-1");
  EXPECT_EQ(ItemPath("/v1/proxies", "../../backup"), "/v1/proxies/..%2F..%2Fbackup");
  EXPECT_EQ(ItemPath("/v1/proxies", ".."), "/v1/proxies/%2E%2E");
  EXPECT_EQ(ItemPath("/v1/proxies", "."), "/v1/proxies/%2E");
}

TEST(PodLogs, TheNewestWholeLinesAreKept) {
  EXPECT_EQ(LastLines("one\ntwo\n", 8), "one\ntwo\n");
  EXPECT_EQ(LastLines("one\ntwo\n", 7), "two\n");
  EXPECT_EQ(LastLines("one\ntwo\n", 4), "two\n");
  EXPECT_EQ(LastLines("one\ntwo\n", 3), "");
  EXPECT_EQ(LastLines("one\ntwo", 3), "two");
  EXPECT_EQ(LastLines("", 3), "");
}

TEST(PodLogs, APodHasAName) {
  const auto sidecar = SidecarOf("shop/web-1.x");
  ASSERT_TRUE(sidecar.ok());
  EXPECT_EQ(sidecar->ns, "shop");
  EXPECT_EQ(sidecar->pod, "web-1.x");
  for (const char* pod : {"web", "", "shop/", "/web", "../web", "shop/..", "shop/.", "shop/a/b",
                          "shop/a?b=c", "shop/a%2F"})
    EXPECT_FALSE(SidecarOf(pod).ok()) << pod;
}

std::map<std::string, std::string> Unpacked(const std::string& path) {
  const auto content = ReadFile(path);
  EXPECT_TRUE(content.ok());
  return content.ok() ? FilesOf(Inflated(*content)) : std::map<std::string, std::string>();
}

using BugReports = Tullectl;

TEST_F(BugReports, TheArchiveHasWhatHelpsAndNothingElse) {
  view_.proxies[0].problems = {"cannot listen"};
  api::ProxyStatus odd;
  odd.name = "../../" + std::string(300, 'x');
  view_.proxies.push_back(odd);
  const std::string path = folder_ + "/report.tar.gz";
  ASSERT_EQ(Run({"bug-report", "-o", path}), 0) << err;
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600);
  auto files = Unpacked(path);
  for (const char* name : {"README.txt", "version.json", "check.json", "proxies.json",
                           "services.json", "policies.json", "events.json", "failures.json",
                           "traffic.json", "metrics.txt", "errors.txt"})
    EXPECT_TRUE(files.contains(std::string("tulle-bug-report/") + name)) << name;
  for (const auto& [name, text] : files) {
    EXPECT_TRUE(name.starts_with("tulle-bug-report/")) << name;
    EXPECT_FALSE(absl::StrContains(name, "/../")) << name;
    EXPECT_FALSE(absl::StrContains(text, secret_)) << name;
  }
  EXPECT_TRUE(absl::StrContains(files["tulle-bug-report/logs/WHERE.txt"], "journalctl"));
  // The sidecar of this test does not answer.
  const std::string& missed = files["tulle-bug-report/errors.txt"];
  EXPECT_TRUE(absl::StrContains(missed, "post-1/live-clusters.json: ")) << missed;
  EXPECT_TRUE(absl::StrContains(err, "warning: not in the report: ")) << err;
  EXPECT_EQ(Run({"bug-report", "-o", path}), 1);
  EXPECT_TRUE(absl::StrContains(err, path + " already exists")) << err;
}

TEST_F(BugReports, WithoutAControlPlaneThereIsNone) {
  is_unreachable = true;
  const std::string path = folder_ + "/report.tar.gz";
  EXPECT_EQ(Run({"bug-report", "-o", path}), 1);
  EXPECT_FALSE(std::filesystem::exists(path));
  is_unreachable = false;
  EXPECT_EQ(Run({"bug-report", "-o", folder_ + "/no/folder.tar.gz"}), 1);
  EXPECT_TRUE(absl::StrContains(err, "cannot write ")) << err;
}

constexpr char kPodsOfControl[] =
    "/api/v1/namespaces/tulle-system/pods?labelSelector=app%3Dtulle-control";

class BugReportsInACluster : public TullectlInACluster {
 protected:
  BugReportsInACluster() {
    cluster_.script = [this](const k8s::Request& request) -> std::optional<ApiReply> {
      if (request.target == kPodsOfControl) return ApiReply{200, pods_.dump()};
      if (!absl::StrContains(request.target, "/log?")) return Answer(request);
      EXPECT_EQ(request.accept, "*/*");
      EXPECT_TRUE(absl::StrContains(request.target, "&tailLines=10000&")) << request.target;
      const std::string pod = request.target.substr(0, request.target.find('&'));
      const bool previous = absl::StrContains(request.target, "previous=true");
      const auto found = logs_.find(pod + (previous ? "&previous" : ""));
      if (found == logs_.end()) return Refusal(403, "pods is forbidden");
      return ApiReply{200, found->second};
    };
    view_.proxies[0].problems = {"cannot listen"};
    view_.proxies[0].pod = "shop/post-1";
  }

  Json pods_ = {
      {"items",
       {{{"metadata", {{"name", "tulle-control-0"}}},
         {"status",
          {{"containerStatuses", {{{"name", "tulle-control"}, {"restartCount", 1}}}}}}}}}};
  std::map<std::string, std::string> logs_;
};

constexpr char kControlLog[] =
    "/api/v1/namespaces/tulle-system/pods/tulle-control-0/log?container=tulle-control";
constexpr char kSidecarLog[] = "/api/v1/namespaces/shop/pods/post-1/log?container=tulle-sidecar";

TEST_F(BugReportsInACluster, LogsOfPodsAreInIt) {
  logs_[kControlLog] = "listening\nauthorization: Bearer 0123456789abc\n";
  logs_[std::string(kControlLog) + "&previous"] = "out of memory\n";
  logs_[kSidecarLog] = std::string(6 << 20, 'x') + "\nGET /items?key=hidden 503\n";
  const std::string path = folder_ + "/report.tar.gz";
  ASSERT_EQ(Run({"bug-report", "-o", path}), 0) << err;
  auto files = Unpacked(path);
  EXPECT_EQ(files["tulle-bug-report/logs/1-tulle-control-0/tulle-control.log"],
            "listening\nauthorization: Bearer [redacted]\n");
  EXPECT_EQ(files["tulle-bug-report/logs/1-tulle-control-0/previous.log"], "out of memory\n");
  EXPECT_EQ(files["tulle-bug-report/proxies/1-post-1/sidecar.log"], "GET /items?[redacted] 503\n");
  EXPECT_FALSE(files.contains("tulle-bug-report/logs/WHERE.txt"));
}

TEST_F(BugReportsInACluster, WhatMayNotBeReadIsListed) {
  const std::string path = folder_ + "/report.tar.gz";
  ASSERT_EQ(Run({"bug-report", "-o", path}), 0) << err;
  auto files = Unpacked(path);
  const std::string& missed = files["tulle-bug-report/errors.txt"];
  for (const char* text :
       {"logs/1-tulle-control-0/tulle-control.log: the API server refused: pods is forbidden",
        "proxies/1-post-1/sidecar.log: the API server refused", "can-i get pods --subresource=log"})
    EXPECT_TRUE(absl::StrContains(missed, text)) << missed;
}

TEST_F(BugReportsInACluster, ANameLeadsNowhereElse) {
  view_.proxies[0].name = "../../../../../api/v1/namespaces/kube-system/secrets/x";
  view_.proxies[0].pod = "kube-system/../secrets/x";
  const std::string path = folder_ + "/report.tar.gz";
  ASSERT_EQ(Run({"bug-report", "-o", path}), 0) << err;
  bool was_asked = false;
  for (const FakeCluster::Seen& seen : cluster_.seen) {
    const std::string& target = seen.request.target;
    EXPECT_FALSE(absl::StrContains(target, "/../")) << target;
    EXPECT_FALSE(absl::StrContains(target, "/secrets")) << target;
    was_asked = was_asked || absl::StrContains(target, "/v1/proxies/..%252F..");
  }
  EXPECT_TRUE(was_asked);
  for (const auto& [name, text] : Unpacked(path))
    EXPECT_FALSE(absl::StrContains(name, "/../")) << name;
}

}  // namespace
}  // namespace tulle::cli
