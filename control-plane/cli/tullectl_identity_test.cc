#include <sys/stat.h>

#include <fstream>

#include "certs/authority.h"
#include "certs/private_key.h"
#include "certs/spiffe_id.h"
#include "control-plane/cli/tullectl_fixture.h"

namespace tulle::cli {
namespace {

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
  authority_->rotation().SetOthersWait(true, "2 of 3 pods");
  EXPECT_EQ(Run({"cert", "roots"}), 0);
  EXPECT_NE(out.find("\n    waiting for post-1; 2 of 3 pods\n"), std::string::npos) << out;
  authority_->rotation().SetOthersWait(false, "2 of 3 pods");
  EXPECT_EQ(Run({"cert", "roots"}), 0);
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

TEST_F(Tullectl, AForcedRotationSaysWhatItBreaksAndNeedsAYes) {
  EXPECT_EQ(Run({"cert", "rotate", "--force"}), 1);
  EXPECT_NE(err.find("no root rotation is in progress"), std::string::npos) << err;
  const std::string before = authority_->root_key_hash();
  authority_->rotation().OnConnected("post-1");
  ASSERT_EQ(Run({"cert", "rotate"}), 0) << err;
  EXPECT_EQ(Run({"cert", "rotate", "--force"}), 1);
  EXPECT_NE(out.find("waiting for post-1\nThe new root signs from now on."), std::string::npos)
      << out;
  EXPECT_NE(err.find("repeat the command with --yes"), std::string::npos) << err;
  EXPECT_EQ(authority_->rotation().phase(), ca::RotationPhase::kAnnouncing);
  ASSERT_EQ(Run({"cert", "rotate", "--force", "--yes"}), 0) << err;
  EXPECT_EQ(authority_->rotation().phase(), ca::RotationPhase::kRenewing);
  ASSERT_EQ(Run({"cert", "rotate", "--force", "--yes"}), 0) << err;
  EXPECT_NE(out.find("The former root is dropped."), std::string::npos) << out;
  EXPECT_NE(out.find("\nsteady\n"), std::string::npos) << out;
  EXPECT_NE(authority_->root_key_hash(), before);
}

TEST_F(Tullectl, ABadCredentialNamesItsFile) {
  const std::string stranger =
      Write("stranger.json", R"({"ca":"PEM","credential":"unknown-word"})");
  admin_ = stranger;
  EXPECT_EQ(Run({"status"}), 1);
  EXPECT_NE(err.find(stranger), std::string::npos) << err;
  EXPECT_EQ(err.find("unknown-word"), std::string::npos) << err;
}

}  // namespace
}  // namespace tulle::cli
