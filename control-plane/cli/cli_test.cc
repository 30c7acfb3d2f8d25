#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <sstream>

#include "control-plane/cli/command_line.h"
#include "control-plane/cli/completion.h"
#include "control-plane/cli/config_file.h"
#include "control-plane/cli/destination.h"
#include "control-plane/cli/file_set.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/interruption.h"
#include "control-plane/cli/lifetime.h"
#include "control-plane/cli/line_diff.h"
#include "control-plane/cli/list_file.h"
#include "control-plane/cli/listening.h"
#include "control-plane/cli/proxy_part.h"
#include "control-plane/cli/selection.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

std::string TextOf(const absl::Status& status) {
  std::ostringstream text;
  PrintError(status, false, text);
  return text.str();
}

TEST(Table, ColumnsAreThreeSpacesApartAndControlBytesGo) {
  Table table({"NAME", "MARK", "REASON"});
  EXPECT_TRUE(table.empty());
  table.AddRow({"post", "✓", ""});
  table.AddRow({"authentication", "no", "a\nb\x1b[31m"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(),
            "NAME             MARK   REASON\n"
            "post             ✓      <none>\n"
            "authentication   no     a b [31m\n");
}

TEST(Table, LongTextStandsBelowItsRow) {
  Table table({"NAME", "STATE", "WHERE"});
  table.AddRow({"post", "up", "a place that is rather far away"}, "reason: none that is known yet");
  table.AddRow({"shop", "down", "here,there,everywhere,elsewhere"});
  std::ostringstream wide;
  table.Print(wide);
  EXPECT_EQ(wide.str(),
            "NAME   STATE   WHERE\n"
            "post   up      a place that is rather far away\n"
            "    reason: none that is known yet\n"
            "shop   down    here,there,everywhere,elsewhere\n");
  std::ostringstream narrow;
  table.Print(narrow, 30);
  EXPECT_EQ(narrow.str(),
            "NAME   STATE\n"
            "post   up\n"
            "    WHERE: a place that is\n"
            "    rather far away\n"
            "    reason: none that is known\n"
            "    yet\n"
            "shop   down\n"
            "    WHERE: here, there,\n"
            "    everywhere, elsewhere\n");
}

TEST(Listening, TellsLoopbackFromOtherAddresses) {
  const std::string header = "  sl  local_address rem_address   st tx_queue\n";
  const std::string loopback = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n";
  const std::string every = "   1: 00000000:1F91 00000000:0000 0A 00000000:00000000\n";
  const std::string connected = "   2: 00000000:1F92 0100007F:0016 01 00000000:00000000\n";
  const std::string v6 =
      "   3: 00000000000000000000000001000000:1F93 00000000000000000000000000000000:0000 0A\n"
      "   4: 00000000000000000000000000000000:1F94 00000000000000000000000000000000:0000 0A\n"
      "   5: 0000000000000000FFFF00000100007F:1F95 00000000000000000000000000000000:0000 0A\n";
  const std::string table = header + loopback + every + connected + v6;
  EXPECT_EQ(FindListener(table, 8080), ListensOn::kLoopback);
  EXPECT_EQ(FindListener(table, 8081), ListensOn::kOtherAddresses);
  EXPECT_EQ(FindListener(table, 8082), std::nullopt) << "an open connection is no listener";
  EXPECT_EQ(FindListener(table, 8083), ListensOn::kLoopback);
  EXPECT_EQ(FindListener(table, 8084), ListensOn::kOtherAddresses);
  EXPECT_EQ(FindListener(table, 8085), ListensOn::kLoopback);
  EXPECT_EQ(FindListener(table, 22), std::nullopt);
}

TEST(Lifetime, IsWrittenAsTablesPrintIt) {
  EXPECT_EQ(*ParseLifetime("10m"), 600);
  EXPECT_EQ(*ParseLifetime("7d"), 7 * 86400);
  EXPECT_EQ(*ParseLifetime("1d12h"), 36 * 3600);
  EXPECT_EQ(*ParseLifetime("87600h"), 3650 * 86400);
  for (const char* bad : {"", "0s", "soon", "10", "m", "1w", "-1h", "500ms", "1h "}) {
    EXPECT_NE(TextOf(ParseLifetime(bad).status()).find("invalid duration"), std::string::npos)
        << bad;
  }
  for (const char* bad : {"100000h", "3651d", "99999999999999999999s"}) {
    EXPECT_NE(TextOf(ParseLifetime(bad).status()).find("at most 3650d"), std::string::npos) << bad;
  }
}

TEST(Table, AgesAreAsExactAsNeeded) {
  EXPECT_EQ(FormatAge(-5), "0s");
  EXPECT_EQ(FormatAge(119), "119s");
  EXPECT_EQ(FormatAge(130), "2m10s");
  EXPECT_EQ(FormatAge(3600), "60m");
  EXPECT_EQ(FormatAge(4 * 3600 + 60), "4h1m");
  EXPECT_EQ(FormatAge(24 * 3600 - 1), "23h");
  EXPECT_EQ(FormatAge(3 * 86400 + 7200), "3d2h");
  EXPECT_EQ(FormatAge(400 * 86400), "400d");
}

TEST(LineDiff, ShowsHunksWithLinesAround) {
  EXPECT_EQ(UnifiedDiff("x", "a\nb\n", "a\nb\n"), "");
  EXPECT_EQ(UnifiedDiff("x", "1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\nsix\n"),
            "--- x (in force)\n+++ x (file)\n@@ -3,4 +3,4 @@\n 3\n 4\n 5\n-6\n+six\n");
  EXPECT_EQ(UnifiedDiff("x", "", "a\n"), "--- x (in force)\n+++ x (file)\n@@ -0,0 +1,1 @@\n+a\n");
  const std::string far =
      UnifiedDiff("x", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n");
  EXPECT_NE(far.find("@@ -1,4 +1,4 @@"), std::string::npos) << far;
  EXPECT_NE(far.find("@@ -6,4 +6,4 @@"), std::string::npos) << far;
  EXPECT_NE(UnifiedDiff("x", "", "a\n", "revision 7").find("+++ x (revision 7)\n"),
            std::string::npos);
}

TEST(CommandLine, OptionsStandBeforeOrAfterTheCommand) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--context", "a", "get", "httproute", "post", "-n", "shop", "-o",
                                 "yaml"},
        std::vector<std::string>{"get", "-o", "yaml", "httproute", "post", "--namespace=shop",
                                 "--context=a"}}) {
    const auto parsed = ParseCommandLine(arguments);
    ASSERT_TRUE(std::holds_alternative<Invocation>(parsed));
    const auto& invocation = std::get<Invocation>(parsed);
    EXPECT_EQ(invocation.command, Command::kGet);
    EXPECT_EQ(invocation.connection.context, "a");
    EXPECT_EQ(invocation.kind, "httproute");
    EXPECT_EQ(invocation.names, std::vector<std::string>{"post"});
    EXPECT_EQ(invocation.ns, "shop");
    EXPECT_EQ(invocation.format, Format::kYaml);
  }
}

TEST(CommandLine, NamesOfCommandsMayBeArguments) {
  const auto parsed = ParseCommandLine({"get", "services"});
  ASSERT_TRUE(std::holds_alternative<Invocation>(parsed));
  EXPECT_EQ(std::get<Invocation>(parsed).kind, "services");
  const auto files = ParseCommandLine({"apply", "-f", "a", "-f", "-"});
  ASSERT_TRUE(std::holds_alternative<Invocation>(files));
  EXPECT_EQ(std::get<Invocation>(files).files, (std::vector<std::string>{"a", "-"}));
}

TEST(CommandLine, MistakesAreNamedWithTheNearest) {
  struct Case {
    std::vector<std::string> arguments;
    std::string expected;
  };
  const Case cases[] = {
      {{"aply", "-f", "x"}, "did you mean apply?"},
      {{"--context", "x", "stauts"}, "did you mean status?"},
      {{"cert", "rotat"},
       "unknown command \"rotat\" for tullectl cert\nhint: did you mean rotate?"},
      {{"get", "httproutes", "--namespce", "x"}, "did you mean --namespace?"},
      {{"apply"}, "--filename is required"},
      {{"proxy-config"}, "tullectl proxy-config --help"},
      {{"apply", "-f", "a.yaml", "b.yaml"},
       "unexpected argument \"b.yaml\"\nhint: repeat -f for each file"},
      {{"version", "-n", "x"}, "unknown option -n\nhint: see `tullectl version --help`"},
      {{"get", "all", "-n"}, "--namespace requires a value (NAME)\nhint: see `tullectl get"},
      {{"get", "httproutes", "-o", "xml"},
       "unsupported output format \"xml\"\nhint: supported formats: table, wide, name, json, yaml"},
      {{"token", "create", "-o", "name"},
       "unsupported output format \"name\"\nhint: supported formats: table, raw, json, yaml"},
      {{"get", "all", "-o", "3"}, "unsupported output format \"3\""},
      {{"token"}, "token requires a command\nhint: see `tullectl token --help`"},
      {{"completion", "tcsh"}, "invalid shell \"tcsh\"\nhint: supported values: bash, zsh, fish"},
      {{"rollback", "--to-revision", "0"},
       "invalid revision \"0\"\nhint: must be a whole number from 1\n"},
      {{"run", "--service", "a", "--service", "b"},
       "--service can be given only once\nhint: see `tullectl run --help`"},
      {{"run", "--service", "a", "--port", "70000"},
       "invalid port \"70000\"\nhint: must be between 1 and 65535\n"},
      {{"run", "--service", "a", "--port", "web"}, "invalid port \"web\""},
      {{"run", "--service", "a", "--protocol", "udp"}, "invalid protocol \"udp\""},
      {{"help", "aply"}, "did you mean apply?"},
  };
  for (const Case& each : cases) {
    const auto parsed = ParseCommandLine(each.arguments);
    ASSERT_TRUE(std::holds_alternative<absl::Status>(parsed)) << each.expected;
    const std::string text = TextOf(std::get<absl::Status>(parsed));
    EXPECT_NE(text.find(each.expected), std::string::npos) << text;
    EXPECT_NE(text.find("hint: "), std::string::npos) << text;
    // What CLI11 calls its own checks.
    for (const char* inner : {"FAILED", "{", "->", "Check ", "Could not convert"}) {
      EXPECT_EQ(text.find(inner), std::string::npos) << text;
    }
  }
}

TEST(CommandLine, ValuesAreTakenAsTheyAreMeant) {
  const auto parsed = ParseCommandLine({"run", "--service", "a", "--port", "8080", "--protocol",
                                        "tcp", "--drain-time", "5", "--metrics", "0.0.0.0:15090",
                                        "--health", "0.0.0.0:15021", "--", "x"});
  ASSERT_TRUE(std::holds_alternative<Invocation>(parsed));
  const RunFlags& run = std::get<Invocation>(parsed).run;
  EXPECT_EQ(run.port, 8080);
  EXPECT_EQ(run.protocol, "tcp");
  EXPECT_EQ(run.drain_seconds, 5);
  EXPECT_EQ(run.metrics, "0.0.0.0:15090");
  EXPECT_EQ(run.health, "0.0.0.0:15021");
  EXPECT_EQ(std::get<Invocation>(ParseCommandLine({"rollback", "--to-revision", "12"})).revision,
            12);
  EXPECT_EQ(std::get<Invocation>(ParseCommandLine({"get", "all", "-o", "JSON"})).format,
            Format::kJson);
}

TEST(CommandLine, WhatFollowsTwoDashesIsAProgramOrARequest) {
  const auto run = ParseCommandLine({"run", "--service", "a", "--", "./web", "--port", "--"});
  ASSERT_TRUE(std::holds_alternative<Invocation>(run));
  EXPECT_EQ(std::get<Invocation>(run).run.program,
            (std::vector<std::string>{"./web", "--port", "--"}));
  const auto parsed = ParseCommandLine(
      {"explain", "--from", "web.shop", "--", "DELETE", "http://cart/items", "-H", "x-user: ann"});
  ASSERT_TRUE(std::holds_alternative<Invocation>(parsed));
  const Invocation& explain = std::get<Invocation>(parsed);
  EXPECT_EQ(explain.command, Command::kExplainWhatIf);
  EXPECT_EQ(explain.what_if.method, "DELETE");
  EXPECT_EQ(explain.what_if.url, "http://cart/items");
  EXPECT_EQ(explain.what_if.headers, std::vector<std::string>{"x-user: ann"});
  EXPECT_TRUE(explain.run.program.empty());
  struct Case {
    std::vector<std::string> arguments;
    const char* expected;
  };
  const Case cases[] = {
      {{"explain", "--from", "web", "--"}, "-- must be followed by the METHOD and the URL"},
      {{"explain", "--from", "web", "--", "GET"}, "-- must be followed by the METHOD and the URL"},
      {{"explain", "--", "GET", "http://cart/"}, "requires --from"},
      {{"status", "--", "cart"}, "unexpected argument --"},
  };
  for (const Case& each : cases) {
    const auto refused = ParseCommandLine(each.arguments);
    ASSERT_TRUE(std::holds_alternative<absl::Status>(refused)) << each.expected;
    const std::string text = TextOf(std::get<absl::Status>(refused));
    EXPECT_NE(text.find(each.expected), std::string::npos) << text;
  }
}

TEST(CommandLine, OfTwoContextsTheLaterHolds) {
  const auto parsed = ParseCommandLine({"--context", "a", "get", "all", "--context", "b"});
  ASSERT_TRUE(std::holds_alternative<Invocation>(parsed));
  EXPECT_EQ(std::get<Invocation>(parsed).connection.context, "b");
}

TEST(CommandLine, HelpAndVersionAreCommandsAndFlags) {
  const auto version = ParseCommandLine({"--version"});
  ASSERT_TRUE(std::holds_alternative<Invocation>(version));
  EXPECT_EQ(std::get<Invocation>(version).command, Command::kVersion);
  EXPECT_TRUE(std::get<Invocation>(version).client_only);
  const auto text = [](const std::vector<std::string>& arguments) {
    const auto parsed = ParseCommandLine(arguments);
    return std::holds_alternative<HelpText>(parsed) ? std::get<HelpText>(parsed).text : "";
  };
  EXPECT_NE(text({"help"}), "");
  EXPECT_EQ(text({"help"}), text({"--help"}));
  EXPECT_EQ(text({"help", "token", "create"}), text({"token", "create", "--help"}));
  EXPECT_NE(text({"help"}).find("Exit codes: 0 success, 1 error"), std::string::npos);
  EXPECT_EQ(text({"help"}).find("a key of theirs"), std::string::npos) << "a line for each command";
  EXPECT_NE(text({"evict", "--help"}).find("a key of theirs"), std::string::npos);
  EXPECT_NE(text({"config", "set-context", "--help"}).find("namespace of the context [default]"),
            std::string::npos);
}

std::vector<Selected> Select(const std::string& kind, const std::vector<std::string>& names = {}) {
  const auto selection = ReadSelection(kind, names);
  EXPECT_TRUE(selection.ok()) << selection.status();
  return selection.ok() ? *selection : std::vector<Selected>();
}

TEST(Selection, TakesWhatKubectlTakes) {
  using Wanted = std::vector<Selected>;
  EXPECT_EQ(Select("all"), (Wanted{{"", ""}}));
  EXPECT_EQ(Select("hr"), (Wanted{{"HTTPRoute", ""}}));
  EXPECT_EQ(Select("hr,pa"), (Wanted{{"HTTPRoute", ""}, {"PeerAuthentication", ""}}));
  EXPECT_EQ(Select("httproutes", {"a", "b"}), (Wanted{{"HTTPRoute", "a"}, {"HTTPRoute", "b"}}));
  EXPECT_EQ(Select("hr/a", {"pa/b"}), (Wanted{{"HTTPRoute", "a"}, {"PeerAuthentication", "b"}}));
  const Wanted own = Select("tulle");
  EXPECT_EQ(own.front(), (Selected{"ResiliencePolicy", "", true}));
  for (const Selected& each : own) EXPECT_FALSE(each.kind.ends_with("Route")) << each.kind;
  EXPECT_FALSE(ReadSelection("tulle", {"a"}).ok());
  EXPECT_FALSE(ReadSelection("all", {"a"}).ok());
  EXPECT_FALSE(ReadSelection("hr/", {}).ok());
  EXPECT_FALSE(ReadSelection("hr/a", {"b"}).ok());
  EXPECT_FALSE(ReadSelection("hr,pods", {}).ok());
}

TEST(ProxyPart, BeginningsAreEnough) {
  for (const std::string_view part : kProxyParts) {
    EXPECT_EQ(ProxyPartNamed(part), part);
    EXPECT_EQ(ProxyPartNamed(part.substr(0, 1)), part);
    EXPECT_EQ(ProxyPartNamed(part.substr(0, part.size() - 1)), part);
  }
  EXPECT_EQ(ProxyPartNamed("ep"), "endpoints");
  EXPECT_EQ(ProxyPartNamed("keys"), "");
  EXPECT_EQ(ProxyPartNamed(""), "");
}

TEST(CommandLine, HelpOfEachCommandHasExamples) {
  for (const auto& [path, words] : VocabularyOfCommands().words) {
    EXPECT_FALSE(words.empty()) << path;
    std::vector<std::string> arguments;
    std::istringstream stream(path + " --help");
    for (std::string word; stream >> word;) arguments.push_back(word);
    const auto parsed = ParseCommandLine(arguments);
    ASSERT_TRUE(std::holds_alternative<HelpText>(parsed)) << path;
    const std::string text = std::get<HelpText>(parsed).text;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
    for (const char* inner : {" in [", ":{", ":INT", "Excludes"}) {
      EXPECT_EQ(text.find(inner), std::string::npos) << text;
    }
    if (path.empty() || path == "help") continue;
    EXPECT_NE(text.find("Usage: tullectl " + path), std::string::npos) << text;
    EXPECT_NE(text.find("Examples:\n  "), std::string::npos) << text;
    EXPECT_NE(text.find("tullectl --help"), std::string::npos) << text;
  }
}

TEST(CommandLine, EachListCanBeWatched) {
  const Vocabulary vocabulary = VocabularyOfCommands();
  for (const char* list :
       {"get", "describe", "status", "services", "proxy-config", "history", "check", "events",
        "token list", "credential list", "cert roots", "stat", "edges", "top", "errors"}) {
    const std::vector<std::string>& words = vocabulary.words.at(list);
    EXPECT_NE(std::find(words.begin(), words.end(), "--watch"), words.end()) << list;
  }
}

TEST(Completion, KnowsCommandsAndKinds) {
  const std::string bash = CompletionScript("bash", VocabularyOfCommands());
  EXPECT_NE(bash.find("\"token\") words=\"create "), std::string::npos) << bash;
  EXPECT_NE(bash.find("\"token create\") words=\"table raw json yaml\""), std::string::npos)
      << bash;
  EXPECT_NE(bash.find("peerauthentication"), std::string::npos);
  EXPECT_EQ(bash.find("--help --help"), std::string::npos) << bash;
  EXPECT_TRUE(CompletionScript("zsh", {}).starts_with("autoload"));
  EXPECT_NE(CompletionScript("fish", {{{"get", {"x"}}}, {}, {}}).find("complete -c tullectl"),
            std::string::npos);
}

class Folder : public testing::Test {
 protected:
  Folder() : folder_(testing::TempDir() + "/cli") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    EXPECT_TRUE(WritePrivateFile(path, text).ok());
    return path;
  }
  std::string folder_;
};

using ConfigFiles = Folder;
using Destinations = Folder;
using FileSets = Folder;

TEST_F(ConfigFiles, AreWrittenForTheOwnerAndReadBack) {
  const std::string path = folder_ + "/deep/config";
  ASSERT_TRUE(ConfigFile::Load(path).ok());
  ConfigFile config;
  config.FindOrAdd("a") = {"a", "https://a:1", "/f", "/ca", "shop"};
  config.FindOrAdd("b").server = "https://[::1]:15016";
  config.current = "b";
  ASSERT_TRUE(config.Save(path).ok());
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600);
  const auto read = ConfigFile::Load(path);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->ToYaml(), config.ToYaml());
  EXPECT_EQ(read->Find("a")->ns, "shop");
  EXPECT_EQ(read->Find("c"), nullptr);
}

TEST_F(ConfigFiles, BadOnesAreRefusedByLine) {
  EXPECT_NE(TextOf(ConfigFile::Parse("contexts:\n- server: x\n", "f").status()).find("f:2"),
            std::string::npos);
  for (const char* bad : {"[", "- a", "contexts: [1]"}) {
    EXPECT_FALSE(ConfigFile::Parse(bad, "f").ok()) << bad;
  }
  const auto error = [](const char* text) {
    return ErrorOf(ConfigFile::Parse(text, "f").status());
  };
  EXPECT_EQ(error("contexts: 5"), "f:1: contexts: expected a list");
  EXPECT_EQ(error("contexts: []\nfrob: 1"), "f:2: unknown field \"frob\"");
  EXPECT_EQ(error("contexts:\n- name: a\n  sever: x"), "f:3: unknown field \"sever\"");
  EXPECT_EQ(error("contexts:\n- name: [a]"), "f:2: name: expected text");
  EXPECT_NE(TextOf(ConfigFile::Parse("currentcontext: x", "f").status())
                .find("did you mean current-context?"),
            std::string::npos);
  EXPECT_TRUE(ConfigFile::Parse("contexts:\n", "f").ok());
  EXPECT_EQ(ErrorOf(ConfigFile::Load(folder_).status()),
            "cannot read " + folder_ + ": Is a directory");
}

TEST_F(ConfigFiles, TheirPathComesFromFlagThenVariables) {
  EXPECT_EQ(ConfigPath("x", {{"TULLECTL_CONFIG", "y"}}), "x");
  EXPECT_EQ(ConfigPath("", {{"TULLECTL_CONFIG", "y"}, {"HOME", "/h"}}), "y");
  EXPECT_EQ(ConfigPath("", {{"XDG_CONFIG_HOME", "/x"}, {"HOME", "/h"}}), "/x/tulle/config");
  EXPECT_EQ(ConfigPath("", {{"HOME", "/h"}}), "/h/.config/tulle/config");
}

TEST_F(Destinations, ACredentialFileAloneIsEnough) {
  const std::string admin =
      Write("admin.json", R"({"server":"https://127.0.0.1:9","ca":"PEM","credential":"s3cret"})");
  const auto found = ResolveDestination({.credential_file = admin}, {{"HOME", folder_}});
  ASSERT_TRUE(found.ok()) << TextOf(found.status());
  EXPECT_EQ(found->server, "https://127.0.0.1:9");
  EXPECT_EQ(found->ca_pem, "PEM");
  EXPECT_EQ(found->credential, "s3cret");
  EXPECT_EQ(found->ns, "default");
  ASSERT_TRUE(SaveTrust(*found, "NEW").ok());
  EXPECT_EQ(ResolveDestination({.credential_file = admin}, {})->ca_pem, "NEW");
  EXPECT_EQ(ResolveDestination({.credential_file = admin}, {})->credential, "s3cret");
}

TEST_F(Destinations, FlagsWinOverTheContext) {
  const std::string bare = Write("credential", "word\n");
  const std::string ca = Write("ca.pem", "CA");
  ConfigFile config;
  config.FindOrAdd("a") = {"a", "https://a:1", bare, ca, "shop"};
  config.current = "a";
  const std::string path = folder_ + "/config";
  ASSERT_TRUE(config.Save(path).ok());
  const auto plain = ResolveDestination({}, {{"TULLECTL_CONFIG", path}});
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->server, "https://a:1");
  EXPECT_EQ(plain->credential, "word");
  EXPECT_EQ(plain->ns, "shop");
  const auto other = ResolveDestination({.config_file = path, .server = "b"}, {});
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->server, "https://b:15016");
  const auto missing = ResolveDestination({.config_file = path, .context = "aa"}, {});
  EXPECT_NE(TextOf(missing.status()).find("did you mean a?"), std::string::npos);
}

TEST_F(Destinations, WhatIsMissingOrBadIsSaidWithoutTheSecret) {
  EXPECT_NE(TextOf(ResolveDestination({}, {{"HOME", folder_}}).status()).find("admin.json"),
            std::string::npos);
  const std::string bad = Write("bad", "two words");
  const auto refused = ResolveDestination({.credential_file = bad}, {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(TextOf(refused.status()).find("two"), std::string::npos);
  const std::string word = Write("word", "s3cret\n");
  const std::string json = Write("word.json", R"({"credential":"s3cret"})");
  for (const std::string& path : {word, json}) {
    const std::string text =
        TextOf(ResolveDestination({.server = "https://a:1", .credential_file = path}, {}).status());
    EXPECT_NE(text.find(path + " contains no CA certificate"), std::string::npos) << text;
    EXPECT_NE(text.find("hint: pass --ca-file FILE"), std::string::npos) << text;
    EXPECT_EQ(text.find("s3cret"), std::string::npos) << text;
  }
  const auto error_of = [](const std::string& path) {
    return ErrorOf(ResolveDestination({.credential_file = path}, {}).status());
  };
  EXPECT_EQ(error_of(folder_), "cannot read " + folder_ + ": Is a directory");
  EXPECT_EQ(error_of("/nope.json"), "cannot read /nope.json: No such file or directory");
  const std::string zero = Write("zero", "");
  EXPECT_EQ(error_of(zero), zero + " contains no credential");
  const std::string empty = Write("empty.json", R"({"ca":"PEM"})");
  EXPECT_NE(TextOf(ResolveDestination({.credential_file = empty}, {}).status())
                .find("contains no credential"),
            std::string::npos);
  for (const char* server :
       {"", "http://a", "https://a:0", "https://a:99999", "a/b", "u@a", "::1"}) {
    EXPECT_FALSE(NormalizeServer(server).ok()) << server;
  }
  EXPECT_EQ(*NormalizeServer("https://[::1]:1/"), "https://[::1]:1");
}

constexpr char kStrict[] =
    "apiVersion: tulle.dev/v1alpha1\nkind: PeerAuthentication\nmetadata: {name: all}\n"
    "spec: {targetRef: {kind: Mesh}, mode: STRICT}\n";

TEST_F(FileSets, ProblemsArePlacedInTheirFiles) {
  std::string other = kStrict;
  other.replace(other.find("name: all"), 9, "name: two");
  std::istringstream in(other);
  Write("d/a.yaml", kStrict);
  Write("d/notes.txt", "no policy");
  const auto files = FileSet::Read({folder_ + "/d", "-"}, false, in);
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->size(), 2u);
  const policy::ParsedFile parsed = files->Parse();  // both claim the mesh
  ASSERT_EQ(parsed.problems.size(), 1u);
  EXPECT_EQ(parsed.problems[0].file, "standard input");
  EXPECT_EQ(parsed.problems[0].line, 1);
  policy::Problem problem;
  problem.line = 4;
  files->Place(&problem);
  EXPECT_EQ(problem.file, folder_ + "/d/a.yaml");
  EXPECT_EQ(problem.line, 4);
}

TEST_F(FileSets, ListsAreTakenApart) {
  std::istringstream in;
  const std::string yaml =
      "apiVersion: v1\nkind: List\nitems:\n- apiVersion: tulle.dev/v1alpha1\n"
      "  kind: ExternalService\n  metadata: {name: one, annotations: {note: \"yes\"}}\n"
      "  spec: {hosts: [a.example], ports: [{number: 80, protocol: http}]}\n"
      "- apiVersion: tulle.dev/v1alpha1\n  kind: ExternalService\n  metadata: {name: two}\n"
      "  spec: {hosts: [b.example], ports: [{number: 80, protocl: http}]}\n";
  FileSet files;
  files.Add("first.yaml", kStrict);
  files.Add("list.yaml", yaml);
  // The line is that of the item: a list has no better one.
  const policy::ParsedFile parsed = files.Parse();
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.problems[0].file, "list.yaml");
  EXPECT_EQ(parsed.problems[0].line, 8);
  EXPECT_EQ(parsed.problems[0].column, 0);
  FileSet good;
  good.Add("first.yaml", kStrict);
  std::string mended = yaml;
  mended.replace(mended.find("protocl"), 7, "protocol");
  mended.erase(0, mended.find("items:"));  // without a kind
  good.Add("list.yaml", mended);
  ASSERT_TRUE(good.Parse().ok()) << ToText(good.Parse().problems);
  ASSERT_EQ(good.Parse().documents.size(), 3u);
  EXPECT_EQ(good.Parse().documents[1].annotations.at("note"), "yes");
  EXPECT_FALSE(UnwrapList("kind: Other\nitems: []\n").has_value());
  EXPECT_FALSE(UnwrapList("items: [").has_value());
  EXPECT_FALSE(UnwrapList(kStrict).has_value());
}

TEST_F(FileSets, ADocumentInTwoFilesIsPlacedInBoth) {
  FileSet files;
  files.Add("a.yaml", "# first\n" + std::string(kStrict));
  files.Add("b.yaml", kStrict);
  const policy::ParsedFile parsed = files.Parse();
  ASSERT_EQ(parsed.problems.size(), 1u);
  EXPECT_EQ(policy::ToText(parsed.problems[0]),
            "b.yaml:1: metadata.name: duplicate PeerAuthentication default/all in two files; "
            "remove one of the two; the first is at a.yaml:2");
}

TEST_F(FileSets, EachBadFileIsReported) {
  FileSet files;
  files.Add("a", "kind: [");
  std::string bad = kStrict;
  bad.replace(bad.find("STRICT"), 6, "STRCIT");
  files.Add("b", bad);
  const policy::ParsedFile parsed = files.Parse();
  ASSERT_EQ(parsed.problems.size(), 2u);
  EXPECT_EQ(parsed.problems[0].file, "a");
  EXPECT_EQ(parsed.problems[1].file, "b");
  EXPECT_EQ(parsed.problems[1].line, 4);
  std::istringstream in;
  EXPECT_FALSE(FileSet::Read({folder_ + "/nothing"}, false, in).ok());
  EXPECT_NE(TextOf(FileSet::Read({folder_}, false, in).status()).find("-R"), std::string::npos);
}

TEST(Interruption, NotesTheFirstSignalAndLeavesTheSecondToTheProgram) {
  {
    const Interruption interruption;
    EXPECT_EQ(interruption.signal(), 0);
    raise(SIGTERM);
    EXPECT_EQ(interruption.signal(), SIGTERM);
    EXPECT_EXIT(raise(SIGTERM), testing::KilledBySignal(SIGTERM), "");
  }
  EXPECT_EXIT(raise(SIGINT), testing::KilledBySignal(SIGINT), "") << "as before";
}

}  // namespace
}  // namespace tulle::cli
