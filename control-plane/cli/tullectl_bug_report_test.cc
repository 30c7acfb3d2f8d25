#include <sys/stat.h>

#define ZLIB_CONST
#include <zlib.h>

#include <filesystem>
#include <map>

#include "absl/strings/match.h"
#include "control-plane/cli/redaction.h"
#include "control-plane/cli/tar_archive.h"
#include "control-plane/cli/tullectl_fixture.h"

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

class BugReports : public Tullectl {
 protected:
  std::map<std::string, std::string> Unpacked(const std::string& path) {
    const auto content = ReadFile(path);
    EXPECT_TRUE(content.ok());
    return content.ok() ? FilesOf(Inflated(*content)) : std::map<std::string, std::string>();
  }
};

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

}  // namespace
}  // namespace tulle::cli
