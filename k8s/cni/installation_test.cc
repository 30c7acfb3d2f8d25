#include "k8s/cni/installation.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "k8s/cni/chain.h"
#include "k8s/cni/files.h"

namespace tulle::cni {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr char kList[] =
    R"({"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge"}, {"type": "portmap"}]})";

std::vector<std::string> TypesOf(const std::string& list) {
  std::vector<std::string> types;
  const Json parsed = Json::parse(list);
  for (const Json& plugin : parsed["plugins"]) types.push_back(plugin["type"]);
  return types;
}

using Types = std::vector<std::string>;

TEST(Chain, TheEntryIsAtTheEndOnce) {
  const std::string with = *WithEntry(kList);
  EXPECT_EQ(TypesOf(with), (Types{"bridge", "portmap", "tulle-cni"}));
  EXPECT_EQ(*WithEntry(with), with);
  EXPECT_TRUE(Json::parse(with)["plugins"][2]["capabilities"]["io.kubernetes.cri.pod-annotations"]);
  EXPECT_EQ(TypesOf(*WithoutEntry(with)), (Types{"bridge", "portmap"}));
  EXPECT_EQ(*WithoutEntry(kList), kList);
}

TEST(Chain, AnEntryOfAnotherVersionIsReplacedWhereItIs) {
  Json list = Json::parse(kList);
  list["plugins"].insert(list["plugins"].begin() + 1, Json{{"type", "tulle-cni"}, {"old", 1}});
  const std::string with = *WithEntry(list.dump());
  EXPECT_EQ(TypesOf(with), (Types{"bridge", "tulle-cni", "portmap"}));
  EXPECT_FALSE(Json::parse(with)["plugins"][1].contains("old"));
}

TEST(Chain, OtherFilesAreRefused) {
  for (const char* text : {"", "[]", R"({"type": "bridge"})", R"({"plugins": []})"}) {
    EXPECT_FALSE(WithEntry(text).ok()) << text;
    EXPECT_FALSE(WithoutEntry(text).ok()) << text;
  }
}

TEST(Chain, AVersionThatThePluginDoesNotSpeakIsRefused) {
  for (const char* version : {R"("cniVersion": "0.2.0",)", R"("cniVersion": "2.0.0",)", ""}) {
    const std::string list = std::string("{") + version + R"("plugins": [{"type": "bridge"}]})";
    EXPECT_FALSE(WithEntry(list).ok()) << list;
    EXPECT_TRUE(WithoutEntry(list).ok()) << list;
  }
}

class OnNode : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/cni-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    fs::create_directories(folder_ / "conf");
    fs::create_directories(folder_ / "bin");
    Write(folder_ / "program", "version 2");
    node_ = {(folder_ / "conf").string(), (folder_ / "bin").string(),
             (folder_ / "program").string()};
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void Write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
  std::string Read(const char* name) { return *ReadWhole((folder_ / name).string()); }
  Types Plugins(const char* name) { return TypesOf(Read(name)); }

  fs::path folder_;
  Installation node_;
};

TEST_F(OnNode, WaitsForTheNetworkPlugin) {
  EXPECT_EQ(node_.Install().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(node_.CheckInstalled().ok());
  Write(folder_ / "conf/10-pods.conflist", kList);
  EXPECT_TRUE(node_.Install().ok());
  EXPECT_TRUE(node_.CheckInstalled().ok());
}

TEST_F(OnNode, InstallsIntoTheFirstConfigurationAlone) {
  Write(folder_ / "conf/10-pods.conflist", kList);
  Write(folder_ / "conf/20-other.conflist", kList);
  Write(folder_ / "conf/05-notes.txt", "no configuration");
  ASSERT_EQ(chmod((folder_ / "conf/10-pods.conflist").c_str(), 0640), 0);
  Write(folder_ / "bin/tulle-cni", "version 1");
  ASSERT_TRUE(node_.Install().ok());
  EXPECT_EQ(Plugins("conf/10-pods.conflist"), (Types{"bridge", "portmap", "tulle-cni"}));
  EXPECT_EQ(Plugins("conf/20-other.conflist"), (Types{"bridge", "portmap"}));
  EXPECT_EQ(Read("bin/tulle-cni"), "version 2");
  struct stat file {};
  ASSERT_EQ(stat((folder_ / "conf/10-pods.conflist").c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0640u);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "conf"), {}), 3) << "leftovers";
}

TEST_F(OnNode, ComesBackWhenAnotherToolRewritesTheConfiguration) {
  Write(folder_ / "conf/10-pods.conflist", kList);
  ASSERT_TRUE(node_.Install().ok());
  Write(folder_ / "conf/10-pods.conflist", kList);
  EXPECT_FALSE(node_.CheckInstalled().ok());
  ASSERT_TRUE(node_.Install().ok());
  EXPECT_EQ(Plugins("conf/10-pods.conflist"), (Types{"bridge", "portmap", "tulle-cni"}));
}

TEST_F(OnNode, RemovalLeavesNothing) {
  Write(folder_ / "conf/10-pods.conflist", kList);
  ASSERT_TRUE(node_.Install().ok());
  // Became the first one later.
  Write(folder_ / "conf/05-new.conflist", kList);
  ASSERT_TRUE(node_.Install().ok());
  Write(folder_ / "conf/30-broken.conflist", "{");
  EXPECT_FALSE(node_.CheckRemoved().ok());
  ASSERT_TRUE(node_.Remove().ok());
  EXPECT_TRUE(node_.CheckRemoved().ok());
  EXPECT_EQ(Plugins("conf/05-new.conflist"), (Types{"bridge", "portmap"}));
  EXPECT_EQ(Plugins("conf/10-pods.conflist"), (Types{"bridge", "portmap"}));
  EXPECT_EQ(Read("conf/30-broken.conflist"), "{");
  EXPECT_TRUE(fs::exists(folder_ / "bin/tulle-cni")) << "CRI-O still calls it for running pods";
}

TEST_F(OnNode, ALinkInTheFolderStaysALink) {
  Write(folder_ / "conf/pods.real", kList);
  fs::create_symlink("pods.real", folder_ / "conf/10-pods.conflist");
  ASSERT_TRUE(node_.Install().ok());
  EXPECT_TRUE(fs::is_symlink(folder_ / "conf/10-pods.conflist"));
  EXPECT_EQ(Plugins("conf/pods.real"), (Types{"bridge", "portmap", "tulle-cni"}));
  ASSERT_TRUE(node_.Remove().ok());
  EXPECT_EQ(Plugins("conf/pods.real"), (Types{"bridge", "portmap"}));
}

TEST_F(OnNode, ALinkThatLeadsElsewhereIsRefused) {
  Write(folder_ / "program.conflist", kList);
  fs::create_symlink("../program.conflist", folder_ / "conf/10-pods.conflist");
  EXPECT_EQ(node_.Install().message(),
            (folder_ / "conf/10-pods.conflist").string() +
                ": a symbolic link that leads out of its folder: make it a regular file");
  EXPECT_EQ(Read("program.conflist"), kList);
}

TEST_F(OnNode, FoldersAreNoConfigurations) {
  fs::create_directories(folder_ / "conf/05-old.conf");
  Write(folder_ / "conf/10-pods.conflist", kList);
  EXPECT_TRUE(node_.Install().ok());
}

TEST_F(OnNode, ASinglePluginIsRefusedByName) {
  Write(folder_ / "conf/10-pods.conf", R"({"type": "bridge"})");
  EXPECT_EQ(node_.Install().message(),
            (folder_ / "conf/10-pods.conf").string() +
                ": not a list of CNI plugins: make it a *.conflist with \"plugins\", or remove it");
}

}  // namespace
}  // namespace tulle::cni
