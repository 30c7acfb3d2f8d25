// For each NAME.yaml here the snapshot of its first workload must be NAME.txt, as text protos.
// After a wanted change: TULLE_GOLDEN_UPDATE=$PWD/tests/golden/snapshot
// bazel-bin/tests/golden/snapshot/golden_test, then read the difference.
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "control-plane/snapshot/testing/build_snapshot.h"
#include "tests/golden/snapshot/mesh_file.h"

namespace tulle::golden {
namespace {

namespace fs = std::filesystem;

constexpr char kFolder[] = "tests/golden/snapshot";

std::string ReadFile(const fs::path& path) {
  std::ifstream stream(path);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string TextOf(std::string_view type_url, const std::string& bytes) {
  const std::string type(type_url.substr(type_url.find('/') + 1));
  const auto* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
  const std::unique_ptr<google::protobuf::Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(descriptor)->New());
  EXPECT_TRUE(message->ParseFromString(bytes));
  google::protobuf::TextFormat::Printer printer;
  printer.SetExpandAny(true);
  std::string text;
  printer.PrintToString(*message, &text);
  return text;
}

std::string TextOf(const snapshot::Snapshot& built) {
  std::string text;
  for (const std::string_view type :
       {snapshot::kClusterType, snapshot::kEndpointType, snapshot::kListenerType,
        snapshot::kRouteType, snapshot::kSecretType}) {
    for (const auto& [name, resource] : *built.TableOf(type)) {
      text += "# " + std::string(type.substr(type.rfind('.') + 1)) + " " + name + "\n" +
              TextOf(type, resource->bytes) + "\n";
    }
  }
  return text;
}

std::vector<fs::path> Meshes() {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".yaml") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(Golden, EveryMeshGivesItsSnapshot) {
  const char* update = std::getenv("TULLE_GOLDEN_UPDATE");
  const std::vector<fs::path> paths = Meshes();
  ASSERT_GE(paths.size(), 3);
  for (const fs::path& path : paths) {
    const MeshFile file = ReadMeshFile(ReadFile(path));
    ASSERT_EQ(file.error, "") << path;
    const std::string text = TextOf(snapshot::BuildSnapshot(file.mesh, {file.node}));
    const std::string golden = path.stem().string() + ".txt";
    if (update != nullptr) std::ofstream(fs::path(update) / golden) << text;
    EXPECT_EQ(text, ReadFile(fs::path(kFolder) / golden)) << path;
  }
}

}  // namespace
}  // namespace tulle::golden
