#include "net/loop/deadlines.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "net/loop/testing/fake_loop.h"

namespace tulle::loop {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

class DeadlinesTest : public testing::Test {
 protected:
  struct Due {
    Due(DeadlinesTest& of, std::string called)
        : test(of), name(std::move(called)), deadline(this, [](void* self) {
            Due& due = *static_cast<Due*>(self);
            due.test.log_ += due.name;
            due.at = due.test.loop_.Now();
            if (due.then) due.then();
          }) {}
    DeadlinesTest& test;
    std::string name;
    std::function<void()> then;
    Instant at{};
    Deadline deadline;
  };

  FakeLoop loop_;
  Deadlines deadlines_{loop_};
  std::string log_;
  Due a_{*this, "a"}, b_{*this, "b"}, c_{*this, "c"};
};

TEST_F(DeadlinesTest, ExpireInOrderAndNeverEarly) {
  deadlines_.Set(a_.deadline, milliseconds(30));
  deadlines_.Set(b_.deadline, milliseconds(10));
  deadlines_.Set(c_.deadline, milliseconds(20));
  EXPECT_TRUE(a_.deadline.is_set());
  loop_.Advance(milliseconds(10) - nanoseconds(1));
  EXPECT_EQ(log_, "");
  loop_.Advance(nanoseconds(1));
  EXPECT_EQ(log_, "b");
  EXPECT_FALSE(b_.deadline.is_set());
  loop_.Advance(milliseconds(20));
  EXPECT_EQ(log_, "bca");
  loop_.Advance(milliseconds(100));
  EXPECT_EQ(log_, "bca") << "each once";
}

TEST_F(DeadlinesTest, EqualLengthsExpireAsTheyWereSet) {
  deadlines_.Set(b_.deadline, milliseconds(10));
  deadlines_.Set(a_.deadline, milliseconds(10));
  loop_.Advance(milliseconds(5));
  deadlines_.Set(c_.deadline, milliseconds(10));
  loop_.Advance(milliseconds(5));
  EXPECT_EQ(log_, "ba");
  loop_.Advance(milliseconds(5));
  EXPECT_EQ(log_, "bac");
}

TEST_F(DeadlinesTest, ClearedOnesDoNotExpire) {
  deadlines_.Set(a_.deadline, milliseconds(10));
  deadlines_.Set(b_.deadline, milliseconds(10));
  {
    Due gone(*this, "gone");
    deadlines_.Set(gone.deadline, milliseconds(5));
  }
  a_.deadline.Clear();
  EXPECT_FALSE(a_.deadline.is_set());
  loop_.Advance(milliseconds(20));
  EXPECT_EQ(log_, "b");
}

TEST_F(DeadlinesTest, SettingAnewMovesIt) {
  deadlines_.Set(a_.deadline, milliseconds(10));
  deadlines_.Set(b_.deadline, milliseconds(50));
  loop_.Advance(milliseconds(9));
  deadlines_.Set(a_.deadline, milliseconds(10));  // later
  deadlines_.Set(b_.deadline, milliseconds(5));   // sooner
  loop_.Advance(milliseconds(9));
  EXPECT_EQ(log_, "b");
  loop_.Advance(milliseconds(1));
  EXPECT_EQ(log_, "ba");
}

TEST_F(DeadlinesTest, CallbacksMaySetThemselvesAndOthers) {
  int rounds = 0;
  a_.then = [&] {
    if (++rounds < 3) deadlines_.Set(a_.deadline, milliseconds(10));
    if (rounds == 1) deadlines_.Set(b_.deadline, milliseconds(7));  // a length of its own
  };
  deadlines_.Set(a_.deadline, milliseconds(10));
  loop_.Advance(milliseconds(16));
  EXPECT_EQ(log_, "a");
  loop_.Advance(milliseconds(1));
  EXPECT_EQ(log_, "ab");
  loop_.Advance(milliseconds(100));
  EXPECT_EQ(log_, "abaa");
}

TEST_F(DeadlinesTest, CallbacksMayClearWhatIsDueWithThem) {
  a_.then = [&] {
    b_.deadline.Clear();
    c_.deadline.Clear();
  };
  deadlines_.Set(c_.deadline, milliseconds(20));
  loop_.Advance(milliseconds(10));
  deadlines_.Set(a_.deadline, milliseconds(5));
  deadlines_.Set(b_.deadline, milliseconds(5));
  loop_.Advance(milliseconds(50));
  EXPECT_EQ(log_, "a");
}

TEST_F(DeadlinesTest, TimesBeyondTheClockDisturbNoOther) {
  deadlines_.Set(a_.deadline, Duration::max());
  deadlines_.Set(b_.deadline, Duration::max() - milliseconds(1));
  deadlines_.Set(c_.deadline, milliseconds(10));
  loop_.Advance(std::chrono::hours(1));
  EXPECT_EQ(log_, "c");
  EXPECT_TRUE(a_.deadline.is_set());
}

TEST_F(DeadlinesTest, EachOfManyLengthsIsKeptToExactly) {
  const Instant start = loop_.Now();
  std::deque<Due> many;
  std::vector<nanoseconds> lengths;
  for (int i = 0; i < 2000; ++i) {
    // Of all magnitudes from microseconds to hours, none twice.
    lengths.push_back(nanoseconds((1003 + i * 17) * (int64_t{1} << (i % 30))));
    many.emplace_back(*this, "");
    deadlines_.Set(many.back().deadline, lengths.back());
  }
  loop_.Advance(std::chrono::hours(24));
  for (size_t i = 0; i < many.size(); ++i) ASSERT_EQ(many[i].at - start, lengths[i]) << i;
}

// Over random histories, with stretches in which nothing happens and turns that take long.
TEST_F(DeadlinesTest, EachOfARandomHistoryExpiresAtItsTime) {
  Random random(7);
  std::deque<Due> all;
  std::vector<Instant> expected(64, Instant::max());
  std::vector<Instant> came(64, Instant::max());
  for (size_t i = 0; i < expected.size(); ++i) {
    all.emplace_back(*this, "");
    all.back().then = [&, i] { came[i] = loop_.Now(); };
  }
  nanoseconds stalled{};
  for (int step = 0; step < 20000; ++step) {
    const size_t i = random.Below(all.size());
    if (random.Below(16) == 0) {
      const nanoseconds more(static_cast<int64_t>(random.Next() >> (20 + random.Below(44))));
      loop_.Stall(more);
      stalled += more;
    }
    if (random.Below(3) == 0) {
      all[i].deadline.Clear();
      expected[i] = Instant::max();
    } else {
      const nanoseconds after(static_cast<int64_t>(random.Next() >> (16 + random.Below(48))));
      deadlines_.Set(all[i].deadline, after);
      expected[i] = loop_.Now() + after;
    }
    if (random.Below(4) != 0) continue;
    const nanoseconds pass(static_cast<int64_t>(random.Next() >> (20 + random.Below(44))));
    loop_.Advance(pass);
    for (size_t at = 0; at < all.size(); ++at) {
      const bool due = expected[at] <= loop_.Now();
      ASSERT_EQ(all[at].deadline.is_set(), expected[at] != Instant::max() && !due) << step;
      if (!due) {
        ASSERT_EQ(came[at], Instant::max()) << step;
        continue;
      }
      ASSERT_GE(came[at], expected[at]) << step;
      ASSERT_LE(came[at], expected[at] + stalled) << step;
      came[at] = Instant::max();
      deadlines_.Set(all[at].deadline, std::chrono::hours(24 * 365));
      expected[at] = loop_.Now() + std::chrono::hours(24 * 365);
    }
    stalled = {};
  }
}

}  // namespace
}  // namespace tulle::loop
