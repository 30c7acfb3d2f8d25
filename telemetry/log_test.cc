#include "telemetry/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tulle::telemetry {
namespace {

class Lines : public Log::Sink {
 public:
  explicit Lines(std::vector<std::string>& lines) : lines_(lines) {}
  void Write(std::string_view line) override { lines_.emplace_back(line); }

 private:
  std::vector<std::string>& lines_;
};

TEST(Log, LevelsPerComponent) {
  std::vector<std::string> lines;
  Log log(LogLevel::kWarning, Log::Form::kText, std::make_unique<Lines>(lines));
  log.Write(LogLevel::kInfo, LogComponent::kXds, "not shown");
  log.SetLevel(LogComponent::kXds, LogLevel::kDebug);
  log.Write(LogLevel::kDebug, LogComponent::kXds, "shown");
  log.Write(LogLevel::kDebug, LogComponent::kAdmin, "not shown");
  ASSERT_EQ(lines.size(), 1);
  EXPECT_TRUE(lines[0].ends_with(" debug   xds: shown\n")) << lines[0];
  log.SetLevel(LogLevel::kOff);
  log.Write(LogLevel::kError, LogComponent::kXds, "not shown");
  EXPECT_EQ(lines.size(), 1);
}

TEST(Log, Fault88_OneLineAnEvent) {
  std::vector<std::string> lines;
  Log text(LogLevel::kInfo, Log::Form::kText, std::make_unique<Lines>(lines));
  text.Write(LogLevel::kInfo, LogComponent::kMain, "peer \"x\" said a\nb\x1b[0m");
  Log json(LogLevel::kInfo, Log::Form::kJson, std::make_unique<Lines>(lines));
  json.Write(LogLevel::kInfo, LogComponent::kMain, "a\n\"b\"");
  ASSERT_EQ(lines.size(), 2);
  EXPECT_TRUE(lines[0].ends_with(" main: peer \"x\" said a\\x0ab\\x1b[0m\n")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with(
      "\"level\":\"info\",\"component\":\"main\",\"message\":\"a\\u000a\\\"b\\\"\"}\n"))
      << lines[1];
}

TEST(Log, Names) {
  for (size_t i = 0; i < static_cast<size_t>(LogComponent::kCount); ++i) {
    const auto component = static_cast<LogComponent>(i);
    EXPECT_EQ(ParseLogComponent(NameOf(component)), component);
  }
  EXPECT_EQ(ParseLogLevel("warn"), LogLevel::kWarning);
  EXPECT_EQ(ParseLogLevel("off"), LogLevel::kOff);
  EXPECT_EQ(ParseLogLevel("loud"), std::nullopt);
}

}  // namespace
}  // namespace tulle::telemetry
