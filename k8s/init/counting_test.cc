#include "k8s/init/counting.h"

#include <gtest/gtest.h>

#include "k8s/init/redirection.h"

namespace tulle::init {
namespace {

constexpr char kSaved[] =
    "*nat\n-A TULLE_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006\n"
    "-A TULLE_REDIRECT -p tcp -m tcp --dport 99 -j RETURN\n"
    "-A TULLE_REDIRECT -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n";

TEST(Counting, StandsRightBeforeTheRuleThatRedirects) {
  const auto counting = Counting::Of({"240.240.0.1", 9, 40000}, 15001, kSaved);
  ASSERT_TRUE(counting);
  EXPECT_EQ(counting->Begin(),
            "*nat\n-I TULLE_REDIRECT 2 -d 240.240.0.1 -p tcp -m tcp --sport 40000 --dport 9\n"
            "COMMIT\n");
  EXPECT_EQ(counting->End(),
            "*nat\n-D TULLE_REDIRECT -d 240.240.0.1 -p tcp -m tcp --sport 40000 --dport 9\n"
            "COMMIT\n");
}

TEST(Counting, WithoutSuchARuleThereIsNothingToCount) {
  EXPECT_FALSE(Counting::Of({"240.240.0.1", 9, 40000}, 15002, kSaved));
  EXPECT_FALSE(Counting::Of({"240.240.0.1", 9, 40000}, 15001,
                            "-A OTHER -p tcp -j REDIRECT --to-ports 15001\n"));
  EXPECT_FALSE(Counting::Of({"240.240.0.1", 9, 40000}, 15001,
                            RulesFor(Redirection(), Family::kV4, "").substr(0, 100)));
  // The rules that are set are found again.
  const std::string rules = RulesFor(Redirection(), Family::kV4, "");
  EXPECT_TRUE(Counting::Of({"240.240.0.1", 9, 40000}, 15001, rules));
  EXPECT_TRUE(Counting::Of({"10.0.0.1", 9, 40000}, 15006, rules));
}

TEST(Counting, OthersDoNotCount) {
  const auto counting = Counting::Of({"240.240.0.1", 9, 40000}, 15001, kSaved);
  ASSERT_TRUE(counting);
  const auto seen = [&](const std::string& packets, const std::string& from) {
    return counting->HasSeenIt("[" + packets + ":60] -A TULLE_REDIRECT -d 240.240.0.1/32 -p tcp " +
                               "-m tcp --sport " + from + " --dport 9\n" +
                               "[9:540] -A TULLE_REDIRECT -p tcp -j REDIRECT --to-ports 15001\n");
  };
  EXPECT_TRUE(seen("1", "40000"));
  EXPECT_FALSE(seen("0", "40000"));
  EXPECT_FALSE(seen("1", "40001"));
}

}  // namespace
}  // namespace tulle::init
