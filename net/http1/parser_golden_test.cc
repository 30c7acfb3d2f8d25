// Golden transcripts: testdata/*.txt say what bytes come and what the parser must make of them,
// delivered whole, byte by byte, cut at every place, and with a credit of one byte at a time.
//
//   === NAME
//   kind: request | response [to-head] [ends] [http10]
//   in:
//   BYTES with C escapes; lines are put together as they are
//   events:
//   the transcript (net/http1/testing/transcript.h)
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "net/http1/testing/transcript.h"

namespace tulle::http1 {
namespace {

struct Golden {
  std::string name;
  TranscriptOptions options;
  std::string bytes;
  std::string events;
};

std::vector<Golden> Load(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path << " cannot be opened";
  std::vector<Golden> cases;
  enum class Part { kNone, kIn, kEvents } part = Part::kNone;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      cases.push_back({line.substr(4), {}, {}, {}});
      part = Part::kNone;
    } else if (line.starts_with("kind: ") && part == Part::kNone) {
      TranscriptOptions& options = cases.back().options;
      if (line.find("response") != std::string::npos) options.kind = Parser::Kind::kResponse;
      options.bodiless = line.find("to-head") != std::string::npos;
      options.http10 = {line.find("http10") != std::string::npos, "default.test"};
      options.ends = line.find("ends") != std::string::npos;
    } else if (line == "in:") {
      part = Part::kIn;
    } else if (line == "events:") {
      part = Part::kEvents;
    } else if (part == Part::kIn) {
      cases.back().bytes += Unescape(line);
    } else if (part == Part::kEvents && !line.empty()) {
      cases.back().events += line + "\n";
    }
  }
  return cases;
}

class ParserGolden : public testing::TestWithParam<const char*> {};

TEST_P(ParserGolden, TranscriptsMatch) {
  const std::vector<Golden> cases = Load(std::string("net/http1/testdata/") + GetParam());
  ASSERT_GE(cases.size(), 5u);
  for (const Golden& golden : cases) {
    const std::string events = SplitInvariantTranscript(
        golden.bytes, golden.options, [&](const std::string& how, const std::string& transcript) {
          ADD_FAILURE() << golden.name << " " << how << ":\n" << transcript;
        });
    EXPECT_EQ(events, golden.events) << golden.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Files, ParserGolden,
                         testing::Values("requests.txt", "bad_requests.txt", "responses.txt",
                                         "http10_requests.txt", "bad_responses.txt",
                                         "chunked.txt"));

}  // namespace
}  // namespace tulle::http1
