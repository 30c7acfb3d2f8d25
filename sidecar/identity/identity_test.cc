#include "sidecar/identity/identity.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "certs/testing/fixtures.h"
#include "sidecar/identity/state_directory.h"
#include "sidecar/identity/state_file.h"

namespace tulle::identity {
namespace {

using certs::testing::TestCa;
using certs::testing::TestIdentity;

class IdentityTest : public testing::Test {
 protected:
  IdentityTest() {
    std::string pattern = testing::TempDir() + "/identity-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    path_ = directory_ + "/identity.pem";
  }
  ~IdentityTest() override {
    unlink(path_.c_str());
    rmdir(directory_.c_str());
  }
  absl::StatusOr<std::shared_ptr<const Identity>> Make(const TestIdentity& keys,
                                                       const TestIdentity& chain) {
    return MakeIdentity(keys.key.ToPem(), chain.ChainPem(), ca_.Bundle().ToPem());
  }
  std::string Content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Damage(const std::string& content) { std::ofstream(path_, std::ios::trunc) << content; }

  TestCa ca_;
  TestIdentity shop_ = ca_.Workload("shop"), cart_ = ca_.Workload("cart");
  std::string directory_, path_;
};

TEST_F(IdentityTest, SurvivesARestart) {
  const auto saved = Make(shop_, shop_);
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ((*saved)->spiffe_id, "spiffe://cluster.local/ns/default/sa/shop");
  ASSERT_TRUE(IdentityFile(directory_).Save(**saved).ok());
  const auto loaded = IdentityFile(directory_).Load();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ((*loaded)->spiffe_id, (*saved)->spiffe_id);
  EXPECT_EQ((*loaded)->key_pem, (*saved)->key_pem);
  EXPECT_EQ((*loaded)->chain_pem, (*saved)->chain_pem);
  EXPECT_EQ((*loaded)->roots_pem, (*saved)->roots_pem);
  EXPECT_EQ((*loaded)->not_after, shop_.chain.front().not_after());
  EXPECT_NE((*loaded)->trust, nullptr);
}

TEST_F(IdentityTest, OnlyItsOwnerMayReadIt) {
  const mode_t before = umask(0);
  const absl::Status saved = IdentityFile(directory_).Save(**Make(shop_, shop_));
  umask(before);
  ASSERT_TRUE(saved.ok()) << saved;
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(IdentityTest, LeftoverOfAnInterruptedSaveIsNotTrustedWithItsMode) {
  std::ofstream(path_ + ".new") << "half";
  ASSERT_EQ(chmod((path_ + ".new").c_str(), 0644), 0);
  ASSERT_TRUE(IdentityFile(directory_).Save(**Make(shop_, shop_)).ok());
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(IdentityTest, SaveReplacesTheWhole) {
  ASSERT_TRUE(IdentityFile(directory_).Save(**Make(shop_, shop_)).ok());
  ASSERT_TRUE(IdentityFile(directory_).Save(**Make(cart_, cart_)).ok());
  EXPECT_EQ((*IdentityFile(directory_).Load())->spiffe_id,
            "spiffe://cluster.local/ns/default/sa/cart");
  EXPECT_NE(access((path_ + ".new").c_str(), F_OK), 0);
}

TEST_F(IdentityTest, NoneYetIsNotFound) {
  EXPECT_EQ(IdentityFile(directory_).Load().status().code(), absl::StatusCode::kNotFound);
}

TEST_F(IdentityTest, MissingDirectoryNamesTheNextStep) {
  const absl::Status saved = IdentityFile(directory_ + "/none").Save(**Make(shop_, shop_));
  EXPECT_EQ(saved.code(), absl::StatusCode::kUnavailable);
  const std::string message(saved.message());
  EXPECT_NE(message.find(directory_ + "/none/identity.pem"), std::string::npos) << message;
  EXPECT_NE(message.find("check that the directory exists"), std::string::npos) << message;
}

TEST_F(IdentityTest, ATokenFileThatCannotBeReadSaysWhy) {
  EXPECT_EQ(ReadTokenFile("/").status().message(),
            "cannot read token file /: Is a directory; the sidecar's user must be able to read it");
}

TEST_F(IdentityTest, DamagedFilesAreRefusedWithTheNextStep) {
  ASSERT_TRUE(IdentityFile(directory_).Save(**Make(shop_, shop_)).ok());
  const std::string whole = Content();
  const std::string key = shop_.key.ToPem();
  for (const std::string& content :
       {std::string(), std::string("garbage"), whole.substr(0, key.size()),
        whole.substr(0, whole.size() / 2), whole.substr(key.size() / 2),
        whole.substr(0, whole.rfind("-----BEGIN CERTIFICATE"))}) {
    Damage(content);
    const auto loaded = IdentityFile(directory_).Load();
    ASSERT_FALSE(loaded.ok()) << content.size() << " of " << whole.size() << " bytes";
    EXPECT_EQ(loaded.status().code(), absl::StatusCode::kDataLoss);
    const std::string message(loaded.status().message());
    EXPECT_TRUE(message.starts_with(path_)) << message;
    EXPECT_NE(message.find("remove the file"), std::string::npos) << message;
    EXPECT_EQ(message.find("PRIVATE KEY"), std::string::npos) << "a secret may have leaked";
  }
}

TEST_F(IdentityTest, KeyOfAnotherCertificateIsRefused) {
  const auto made = Make(cart_, shop_);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.status().message(), "the certificate does not match the private key");
}

TEST_F(IdentityTest, CertificateWithoutASingleUriSanIsRefused) {
  const TestIdentity web = ca_.WebServer("shop.example.com");
  const TestIdentity two = ca_.Bad(certs::testing::BadLeaf::kTwoUriSans);
  EXPECT_FALSE(Make(web, web).ok());
  EXPECT_FALSE(Make(two, two).ok());
}

TEST_F(IdentityTest, AStateDirectoryIsMadeAndHeldByOne) {
  const std::string path = directory_ + "/a/b";
  {
    const auto held = StateDirectory::Hold(path);
    ASSERT_TRUE(held.ok()) << held.status();
    struct stat found {};
    ASSERT_EQ(stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0700u);
    const auto second = StateDirectory::Hold(path);
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.status().message().find("in use by another"), std::string::npos);
    EXPECT_TRUE(StateDirectory::Hold(directory_ + "/c/").ok()) << "another";
  }
  EXPECT_TRUE(StateDirectory::Hold(path).ok());
}

TEST_F(IdentityTest, AStateDirectoryThatCannotBeMadeIsTold) {
  const auto held = StateDirectory::Hold("/proc/none/here");
  ASSERT_FALSE(held.ok());
  EXPECT_NE(held.status().message().find("/proc/none/here"), std::string::npos);
}

}  // namespace
}  // namespace tulle::identity
