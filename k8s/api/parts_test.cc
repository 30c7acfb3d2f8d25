// The parts of the client that need no connection.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "k8s/api/call.h"
#include "k8s/api/event_lines.h"
#include "k8s/api/json.h"
#include "k8s/api/known_objects.h"

namespace tulle::k8s {
namespace {

std::vector<std::string> Feed(EventLines& lines, const std::vector<std::string>& pieces) {
  std::vector<std::string> found;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const auto line = lines.Next(&piece);
      if (line) found.push_back(lines.was_too_long() ? "(too long)" : std::string(*line));
    }
  }
  return found;
}

TEST(EventLinesTest, LinesAreFoundWhereverTheBytesAreCut) {
  const std::string text = "{\"a\":1}\n\n{\"b\":2}\n";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EventLines lines(100);
    EXPECT_EQ(Feed(lines, {text.substr(0, cut), text.substr(cut)}),
              (std::vector<std::string>{"{\"a\":1}", "{\"b\":2}"}));
  }
}

TEST(EventLinesTest, ALineBeyondTheLimitIsReportedAndTheNextOneIsRead) {
  EventLines lines(4);
  EXPECT_EQ(Feed(lines, {"1234\n12345\n1", "23", "45678\nabcd\n"}),
            (std::vector<std::string>{"1234", "(too long)", "(too long)", "abcd"}));
}

TEST(EventLinesTest, ANewBodyDoesNotContinueALine) {
  EventLines lines(100);
  EXPECT_TRUE(Feed(lines, {"half"}).empty());
  lines.Reset();
  EXPECT_EQ(Feed(lines, {"whole\n"}), std::vector<std::string>{"whole"});
}

TEST(KnownObjectsTest, TellsWhatIsNew) {
  using Change = KnownObjects::Change;
  KnownObjects known;
  known.BeginListing();
  EXPECT_EQ(known.Put({"ns", "a"}, "u1", "1"), Change::kPut);
  EXPECT_EQ(known.Put({"ns", "b"}, "u2", "2"), Change::kPut);
  EXPECT_TRUE(known.EndListing().empty());
  EXPECT_EQ(known.Put({"ns", "a"}, "u1", "1"), Change::kNone);
  EXPECT_EQ(known.Put({"ns", "a"}, "u1", "3"), Change::kPut);
  EXPECT_EQ(known.Put({"ns", "a"}, "u9", "4"), Change::kReplaced);
  known.BeginListing();
  EXPECT_EQ(known.Put({"ns", "b"}, "u2", "2"), Change::kNone);
  EXPECT_EQ(known.EndListing(), (std::vector<ObjectKey>{{"ns", "a"}}));
  EXPECT_TRUE(known.Remove({"ns", "b"}));
  EXPECT_FALSE(known.Remove({"ns", "b"}));
  EXPECT_EQ(known.size(), 0u);
}

TEST(AnswerTest, ARefusalIsToldInTheServersWords) {
  AnswerCollector collector(1000);
  collector.OnHead(409, {});
  collector.OnBody(R"({"kind":"Status","reason":"Conflict","message":"has been modified"})");
  const Answer answer = collector.Finish("");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.reason, "Conflict");
  EXPECT_EQ(answer.error, "HTTP status 409: has been modified");
}

TEST(AnswerTest, WhatIsIncompleteOrTooLargeIsNoAnswer) {
  AnswerCollector cut(1000);
  cut.OnHead(200, {});
  cut.OnBody("{");
  EXPECT_EQ(cut.Finish("lost").status, 0);
  AnswerCollector large(3);
  large.OnHead(200, {});
  large.OnBody("12");
  large.OnBody("34");
  EXPECT_FALSE(large.Finish("").ok());
  AnswerCollector exact(4);
  exact.OnHead(200, {});
  exact.OnBody("1234");
  EXPECT_EQ(exact.Finish("").body, "1234");
}

TEST(JsonTest, FieldsOfAnotherTypeAreAbsent) {
  const Json json = Json::parse(R"({"a":{"b":"text","n":-1,"big":4294967296,"t":true},"l":[1]})");
  EXPECT_EQ(TextAt(json, {"a", "b"}), "text");
  EXPECT_EQ(TextAt(json, {"a", "t"}), "");
  EXPECT_EQ(TextAt(json, {"l", "b"}), "");
  EXPECT_EQ(NumberAt(json, {"a", "n"}), 0u);
  EXPECT_EQ(NumberAt(json, {"a", "big"}), 0u);
  EXPECT_TRUE(IsTrueAt(json, {"a", "t"}));
  EXPECT_FALSE(IsTrueAt(json, {"a", "b"}));
}

TEST(RequestTest, NamesAreEscaped) { EXPECT_EQ(Escape("a b/c=d~"), "a%20b%2Fc%3Dd~"); }

}  // namespace
}  // namespace tulle::k8s
