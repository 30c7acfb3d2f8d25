#include "sidecar/membership/instance_id.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace tulle::sidecar {
namespace {

class InstanceIdTest : public ::testing::Test {
 protected:
  InstanceIdTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  std::string Stored() const {
    std::stringstream text;
    text << std::ifstream(folder_ + "/instance").rdbuf();
    return text.str();
  }
  std::string IdFrom(const std::string& stored) {
    std::ofstream(folder_ + "/instance") << stored;
    return Id();
  }
  std::string Id() { return InstanceId(folder_, "web", random_, log_); }

  const std::string folder_ = ::testing::TempDir() + "/instance_id_test";
  loop::Random random_{1};
  telemetry::Log log_{telemetry::LogLevel::kInfo, telemetry::Log::Form::kText};
};

TEST_F(InstanceIdTest, StaysTheSame) {
  const std::string id = Id();
  EXPECT_TRUE(id.starts_with("web-")) << id;
  EXPECT_EQ(id.size(), 14u) << id;
  EXPECT_EQ(Stored(), id);
  EXPECT_EQ(Id(), id);
  EXPECT_EQ(IdFrom("web-7\n"), "web-7") << "an editor adds a newline";
}

TEST_F(InstanceIdTest, AnInvalidFileIsReplaced) {
  for (const std::string& stored :
       {std::string(), std::string(" \n"), std::string("web\n\033[31mred"),
        std::string("web\0x", 5), std::string(254, 'a')}) {
    const std::string id = IdFrom(stored);
    EXPECT_NE(id, stored);
    EXPECT_TRUE(id.starts_with("web-") && id.size() == 14) << id;
    EXPECT_EQ(Stored(), id);
  }
}

}  // namespace
}  // namespace tulle::sidecar
