#include "control-plane/insight/event_book.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::insight {
namespace {

Event Happened(const std::string& reason, const std::string& name, const std::string& message,
               const std::string& actor = "ann") {
  return {Event::Type::kNormal, reason, {"Proxy", "shop", name}, message, actor};
}

TEST(EventBook, EqualEventsAreCountedAndTheNewestIsLast) {
  EventBook book;
  book.Add(Happened("A", "web", "one"), 100);
  book.Add(Happened("A", "cart", "one"), 101);
  book.Add(Happened("A", "web", "one"), 102);
  const auto events = book.Since(0);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].subject.name, "cart");
  EXPECT_EQ(events[1].subject.name, "web");
  EXPECT_EQ(events[1].count, 2u);
  EXPECT_EQ(events[1].first_at, 100);
  EXPECT_EQ(events[1].last_at, 102);
  Event worse = Happened("A", "web", "one");
  worse.type = Event::Type::kWarning;
  book.Add(worse, 103);
  book.Add(Happened("A", "web", "two"), 103);
  book.Add(Happened("A", "web", "one", "bob"), 103);
  EXPECT_EQ(book.size(), 5u) << "none of them is equal";
}

TEST(EventBook, TimeAndNumberNarrowWhatIsShown) {
  EventBook book;
  for (int i = 0; i < 10; ++i) book.Add(Happened("A", std::to_string(i), ""), 100 + i);
  EXPECT_EQ(book.Since(0).size(), 10u);
  EXPECT_EQ(book.Since(108).size(), 2u);
  EXPECT_TRUE(book.Since(110).empty());
  const auto newest = book.Since(0, 3);
  ASSERT_EQ(newest.size(), 3u);
  EXPECT_EQ(newest.front().subject.name, "7");
  EXPECT_EQ(newest.back().subject.name, "9");
}

TEST(EventBook, AClockThatIsSetBackKeepsTheOrder) {
  EventBook book;
  book.Add(Happened("A", "web", ""), 1000);
  book.Add(Happened("A", "cart", ""), 10);
  const auto events = book.Since(10);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events.front().last_at, 10);
  EXPECT_EQ(events.front().first_at, 10);
  EXPECT_EQ(events.back().subject.name, "cart");
  EXPECT_EQ(events.back().last_at, 10);
  EXPECT_TRUE(book.Since(11).empty()) << "nothing is dated by the clock that was ahead";
}

TEST(EventBook, OneActorPushesOutItsOwnEventsOnly) {
  EventBook book;
  book.Add(Happened("PolicyChanged", "post", "by ann"), 1);
  book.Add(Happened("Refused", "x", "of a stranger", ""), 1);
  for (int i = 0; i < 5000; ++i) book.Add(Happened("Refused", "web", std::to_string(i), "eve"), 2);
  for (int i = 0; i < 5000; ++i) book.Add(Happened("Refused", std::to_string(i), "", ""), 3);
  EXPECT_EQ(book.size(), 1 + 2 * EventBook::kMostOfOne);
  EXPECT_EQ(book.Since(0).front().message, "by ann");
  EXPECT_EQ(book.Since(0).back().subject.name, "4999");
}

TEST(EventBook, ManyActorsOfOneReasonDoNotHideOtherReasons) {
  EventBook book;
  book.Add(Happened("PolicyChanged", "post", "by ann"), 1);
  for (int i = 0; i < 5000; ++i)
    book.Add(Happened("ProxyConnected", std::to_string(i), "", std::to_string(i)), 2);
  EXPECT_EQ(book.size(), EventBook::kMostEvents);
  EXPECT_EQ(book.Since(0).front().message, "by ann");
  EXPECT_EQ(book.Since(0).back().subject.name, "4999");
}

TEST(EventBook, TextsOfStrangersAreCutAndPrintable) {
  EventBook book;
  book.Add(Happened("A", "web\n\x1b[2J", std::string(5000, 'x') + "\n", "eve\r"), 1);
  const Event event = book.Since(0).front();
  EXPECT_EQ(event.subject.name, "web  [2J");
  EXPECT_EQ(event.message.size(), 512u);
  EXPECT_EQ(event.actor, "eve ");
}

}  // namespace
}  // namespace tulle::insight
