#include "sidecar/process/command_line.h"

#include <gtest/gtest.h>

namespace tulle::sidecar {
namespace {

struct Outcome {
  Parsed parsed;
  std::string error;
};

Outcome Parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "tulle-sidecar");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  ::testing::internal::CaptureStderr();
  Parsed parsed = ParseCommandLine(static_cast<int>(argv.size()), argv.data());
  return {std::move(parsed), ::testing::internal::GetCapturedStderr()};
}

Outcome Member(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"--control", "tulle:15012", "--state-dir", "state"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return Parse(all);
}

TEST(CommandLine, OfAMember) {
  const Outcome outcome =
      Member({"--inbound", "18080:8080:80/http", "--log-level", "debug", "--opaque-ports",
              "6379,5432", "--outbound-http", "0", "--dns-servers", "127.0.0.1:53,::1,[::1]:54"});
  ASSERT_TRUE(outcome.parsed.command_line.has_value()) << outcome.error;
  EXPECT_EQ(outcome.parsed.command_line->log_level, telemetry::LogLevel::kDebug);
  EXPECT_EQ(outcome.parsed.command_line->workload.opaque_ports,
            (std::vector<uint16_t>{6379, 5432}));
}

TEST(CommandLine, RecorderAndInsightAreOnUnlessTheyAreMeasured) {
  const Outcome usual = Member({});
  ASSERT_TRUE(usual.parsed.command_line.has_value()) << usual.error;
  EXPECT_TRUE(usual.parsed.command_line->records && usual.parsed.command_line->tells_insight);
  const Outcome off = Member({"--recorder", "off", "--insight=off"});
  ASSERT_TRUE(off.parsed.command_line.has_value()) << off.error;
  EXPECT_FALSE(off.parsed.command_line->records || off.parsed.command_line->tells_insight);
  EXPECT_EQ(Member({"--recorder", "no"}).parsed.exit_code, 1);
}

TEST(CommandLine, LabelsOfTheWorkload) {
  const Outcome outcome = Member({"--label", "app=cart", "--label", "version=v2"});
  ASSERT_TRUE(outcome.parsed.command_line.has_value()) << outcome.error;
  EXPECT_EQ(outcome.parsed.command_line->workload.labels,
            (certs::WorkloadLabels{{"app", "cart"}, {"version", "v2"}}));
  for (const std::string& wrong : {std::string("app"), std::string("app="),
                                   std::string("colour=red"), "app=" + std::string(64, 'x')}) {
    const Outcome refused = Member({"--label", wrong});
    EXPECT_EQ(refused.parsed.exit_code, 1) << wrong;
    EXPECT_NE(
        refused.error.find("--label " + wrong + ": invalid label \"" + wrong + "\": expected "),
        std::string::npos)
        << refused.error;
  }
}

TEST(CommandLine, InvalidUsageNamesTheFlagAndExitsWith1) {
  struct Case {
    std::vector<std::string> arguments;
    const char* error;
  };
  const Case kCases[] = {
      {{"--log-level", "loud"},
       "invalid --log-level loud: must be trace, debug, info, warning, error or off"},
      {{"--control", "x"}, "--control x: expected HOST:PORT"},
      {{"--admin", "x"}, "--admin x: expected ADDRESS:PORT"},
      {{"--mesh-range", "x"}, "--mesh-range x: expected a CIDR"},
      {{"--inbound", "frob"}, "--inbound frob: expected "},
      {{"--transparent", "--port", "x"}, "--port x: expected "},
      {{"--address", "999.1.1.1"}, "--address 999.1.1.1: invalid IP address"},
      {{"--locality", "a/b/c/d"}, "--locality a/b/c/d: expected REGION[/ZONE[/SUBZONE]]"},
      {{"--service", "A b"}, "--service A b: invalid service name"},
      {{"--inbound", "25080:80/http", "--inbound", "25080:81/http"},
       "--inbound: duplicate port 25080"},
      {{"--transparent", "--outbound-port", "9", "--inbound-port", "9"},
       "--outbound-port and --inbound-port must differ"},
      {{"--opaque-ports", "80,99999"},
       "--opaque-ports: invalid port \"99999\"; must be between 1 and 65535"},
      {{"--outbound-http", "99999"}, "--outbound-http: invalid port \"99999\""},
      {{"--dns-servers", "x"}, "--dns-servers x: expected ADDRESS[:PORT], separated by commas"},
      {{"--dns-servers", "127.0.0.1,::1,"}, "--dns-servers 127.0.0.1,::1,: expected "},
      {{"--lokality", "a"}, "unknown option --lokality\nhint: did you mean --locality?"},
      {{"--service", "a", "--service", "b"}, "--service can be given only once"},
      {{"-c", "/nope"}, "--config: cannot read /nope: No such file or directory"},
      {{"--workers", "x"}, "--workers: invalid number \"x\"; must be between 1 and 64"},
  };
  for (const Case& bad : kCases) {
    const bool has_control = bad.arguments[0] == "--control";
    const Outcome outcome =
        has_control ? Parse({"--control", "x", "--state-dir", "state"}) : Member(bad.arguments);
    EXPECT_FALSE(outcome.parsed.command_line.has_value()) << bad.error;
    EXPECT_EQ(outcome.parsed.exit_code, 1) << bad.error;
    EXPECT_NE(outcome.error.find(bad.error), std::string::npos) << outcome.error;
  }
}

}  // namespace
}  // namespace tulle::sidecar
