#include <gtest/gtest.h>

#include "net/usage/program.h"
#include "net/usage/suggestion.h"
#include "net/usage/unsafe_text.h"
#include "net/usage/usage_error.h"
#include "net/usage/wrap.h"

namespace tulle::usage {
namespace {

struct Outcome {
  std::optional<int> code;
  std::string out;
  std::string err;
};

// A program with one option of each kind.
Outcome Parsing(std::vector<std::string> arguments,
                const absl::Status& checked = absl::OkStatus()) {
  CLI::App app("Does things");
  Describe(app, "thing");
  uint16_t port = 80;
  std::vector<int> ids;
  std::string mode = "auto", file;
  std::vector<std::string> names = {"a", "b"};
  app.add_option("--port", port, "port to use")->type_name("PORT")->check(Port());
  app.add_option("--ids", ids, "ids")->delimiter(',')->type_name("ID");
  app.add_option("--mode", mode, "mode")->type_name("MODE")->check(OneOf({"auto", "fast"}));
  app.add_option("--names", names, "names")->type_name("NAME");
  auto* config = app.add_option("--config", file, "config")->type_name("FILE");
  config->check(ReadableFile());
  bool quiet = false;
  app.add_flag("--quiet", quiet, "say nothing")->excludes(app.get_option("--mode"));
  arguments.insert(arguments.begin(), "thing");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = Parse(app, static_cast<int>(argv.size()), argv.data(), 7, [&] { return checked; });
  outcome.out = ::testing::internal::GetCapturedStdout();
  outcome.err = ::testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(Usage, ErrorsNameTheOptionAndSayWhatToDo) {
  struct Case {
    std::vector<std::string> arguments;
    const char* error;
  };
  const std::string see = "see `thing --help`";
  const Case kCases[] = {
      {{"--prot", "1"}, "unknown option --prot\nhint: did you mean --port? "},
      {{"--frobnicate=1"}, "unknown option --frobnicate\nhint: "},
      {{"-n", "x"}, "unknown option -n\nhint: "},
      {{"extra"}, "unexpected argument \"extra\"\nhint: "},
      {{"--port"}, "--port requires a value (PORT)\nhint: "},
      {{"--port", "1", "--port", "2"}, "--port can be given only once\nhint: "},
      {{"--port", "x"}, "--port: invalid port \"x\"; must be between 1 and 65535\nhint: "},
      {{"--ids", "x"}, "--ids: invalid value \"x\"\nhint: "},
      {{"--mode", "slow"}, "--mode: invalid value \"slow\"; supported values: auto, fast\nhint: "},
      {{"--quiet", "--mode", "fast"}, "--mode and --quiet cannot be used together\nhint: "},
      {{"--config", "/nope"}, "--config: cannot read /nope: No such file or directory\nhint: "},
      {{"--config", "/"}, "--config: cannot read /: Is a directory\nhint: "},
  };
  for (const Case& bad : kCases) {
    const Outcome outcome = Parsing(bad.arguments);
    EXPECT_EQ(outcome.code, 7);
    EXPECT_EQ(outcome.err, "error: " + std::string(bad.error) + see + "\n");
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(Usage, TheProgramsOwnCheckIsUsageToo) {
  const Outcome outcome = Parsing({}, absl::InvalidArgumentError("--a and --b must differ"));
  EXPECT_EQ(outcome.code, 7);
  EXPECT_EQ(outcome.err, "error: --a and --b must differ\nhint: see `thing --help`\n");
  EXPECT_EQ(Parsing({"--port", "5"}).code, std::nullopt);
}

TEST(Usage, HelpShowsDefaultsAndNoneOfTheParsersRemarks) {
  const Outcome outcome = Parsing({"--help"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.out.find("  --port PORT               port to use [80]\n"), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("  --names NAME ...          names [a,b]\n"), std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("  --ids ID ...              ids\n"), std::string::npos);
  EXPECT_NE(outcome.out.find("  --quiet                   say nothing\n"), std::string::npos);
  EXPECT_EQ(outcome.out.find("Excludes"), std::string::npos);
  EXPECT_TRUE(Parsing({"--version"}).out.starts_with("thing ")) << Parsing({"--version"}).out;
}

TEST(Words, GuessesOnlyWhatIsNear) {
  EXPECT_EQ(NearestName("timeout", {"timeouts", "retries"}), "timeouts");
  EXPECT_EQ(NearestName("loadbalancing", {"loadBalancing"}), "loadBalancing");
  EXPECT_EQ(NearestName("pots", {"post", "cart"}), "post") << "swapped letters are one mistake";
  EXPECT_EQ(NearestName("zzz", {"on", "retries"}), std::nullopt);
}

TEST(Words, WrapAtBlanks) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(Wrapped("one two three", 7), (Lines{"one two", "three"}));
  EXPECT_EQ(Wrapped("longerthanthat x", 7), (Lines{"longerthanthat", "x"}));
  EXPECT_EQ(Wrapped("äöü äöü", 7), Lines{"äöü äöü"});
  EXPECT_EQ(Wrapped("one two", 0), Lines{"one two"});
}

// U+009B is CSI, U+202E shows what follows from right to left.
TEST(UnsafeText, ATerminalIsNotToObeyWhatStrangersWrite) {
  const char* unsafe[] = {"\x1b",         "\x7f",         "\xc2\x80",     "\xc2\x9b",
                          "\xc2\x9f",     "\xd8\x9c",     "\xe2\x80\x8f", "\xe2\x80\xa8",
                          "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9"};
  for (const std::string text : unsafe) {
    EXPECT_EQ(UnsafeBytes(text, 0), text.size());
    EXPECT_EQ(Printable("a" + text + "b"), "a" + std::string(text.size(), ' ') + "b");
  }
  for (const std::string text : {" ", "\xc2\xa0", "\xc3\xa9", "\xe2\x82\xac", "\xe2\x81\xaa",
                                 "\xf0\x9f\x98\x80", "\xe2", "\xc2"}) {
    EXPECT_EQ(UnsafeBytes(text, 0), 0u) << text;
    EXPECT_EQ(WithEscapes(text), text);
  }
  EXPECT_EQ(WithEscapes("{\n \"a\": \"\x7f\xc2\x9b \xe2\x80\xae\"}"),
            "{\n \"a\": \"\\u007f\\u009b \\u202e\"}");
}

}  // namespace
}  // namespace tulle::usage
