#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <sstream>

#include "control-plane/cli/command_line.h"
#include "control-plane/cli/completion.h"
#include "control-plane/cli/config_file.h"
#include "control-plane/cli/destination.h"
#include "control-plane/cli/file_set.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/line_diff.h"
#include "control-plane/cli/proxy_part.h"
#include "control-plane/cli/selection.h"
#include "control-plane/cli/suggestion.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/trouble.h"

namespace tulle::cli {
namespace {

std::string TextOf(const absl::Status& status) {
  std::ostringstream text;
  PrintTrouble(status, false, text);
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
      {{"apply", "-f", "a.yaml", "b.yaml"}, "-f takes one file: repeat it for each"},
      {{"get", "httproutes", "-o", "xml"}, "xml"},
      {{"token"}, "tullectl token --help"},
      {{"completion", "tcsh"}, "tcsh"},
  };
  for (const Case& each : cases) {
    const auto parsed = ParseCommandLine(each.arguments);
    ASSERT_TRUE(std::holds_alternative<absl::Status>(parsed)) << each.expected;
    const std::string text = TextOf(std::get<absl::Status>(parsed));
    EXPECT_NE(text.find(each.expected), std::string::npos) << text;
    EXPECT_NE(text.find("hint: "), std::string::npos) << text;
  }
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
  const auto top = ParseCommandLine({"--help"});
  ASSERT_TRUE(std::holds_alternative<HelpText>(top));
  for (const auto& [path, words] : WordsOfCommands()) {
    EXPECT_FALSE(words.empty()) << path;
    if (path.empty()) continue;
    std::vector<std::string> arguments;
    std::istringstream stream(path + " --help");
    for (std::string word; stream >> word;) arguments.push_back(word);
    const auto parsed = ParseCommandLine(arguments);
    ASSERT_TRUE(std::holds_alternative<HelpText>(parsed)) << path;
    const std::string text = std::get<HelpText>(parsed).text;
    EXPECT_NE(text.find("Usage: tullectl " + path), std::string::npos) << text;
    EXPECT_NE(text.find("Examples:\n  "), std::string::npos) << text;
  }
}

TEST(Completion, KnowsCommandsAndKinds) {
  const std::string bash = CompletionScript("bash", WordsOfCommands());
  EXPECT_NE(bash.find("\"token\") words=\"create "), std::string::npos) << bash;
  EXPECT_NE(bash.find("peerauthentication"), std::string::npos);
  EXPECT_EQ(bash.find("--help --help"), std::string::npos) << bash;
  EXPECT_TRUE(CompletionScript("zsh", {}).starts_with("autoload"));
  EXPECT_NE(CompletionScript("fish", {{"get", {"x"}}}).find("complete -c tullectl"),
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

}  // namespace
}  // namespace tulle::cli
