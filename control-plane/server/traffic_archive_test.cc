#include "control-plane/server/traffic_archive.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "net/loop/sim/simulation.h"

namespace tulle::server {
namespace {

using insight::Connections;
using insight::Edge;
using insight::EdgeTraffic;
using insight::Outcome;
using insight::Traffic;
using insight::TrafficBook;
using std::chrono::seconds;

const Edge kWebToCart{
    "spiffe://m/ns/shop/sa/web", "cart.shop", "spiffe://m/ns/shop/sa/cart", "http", true, true};

// A run of the control plane: its book and its archive.
struct Process {
  Process(const std::string& path, loop::Loop& loop)
      : now(std::chrono::duration_cast<seconds>(loop.WallNow().time_since_epoch()).count()),
        book(now) {
    auto opened = TrafficArchive::Open(path, book, loop, log);
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (opened.ok()) archive = *std::move(opened);
  }

  int64_t now;
  telemetry::Log log{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  TrafficBook book;
  std::unique_ptr<TrafficArchive> archive;
};

class TrafficArchiveTest : public testing::Test {
 protected:
  ~TrafficArchiveTest() override { std::filesystem::remove(path_); }

  int64_t Now() const {
    return std::chrono::duration_cast<seconds>(loop_->WallNow().time_since_epoch()).count();
  }
  void Pass(seconds time) { simulation_.RunFor(time); }
  void Call(Process& run, const Edge& edge, uint32_t requests, uint32_t code = 200) {
    const uint32_t buckets[] = {0, requests};
    run.book.AddRequests(*run.book.RowOf(edge), {code, -1, code == 503 ? "UF" : ""}, buckets,
                         Now());
  }
  Traffic Known(const Process& run) const {
    Traffic sum;
    for (const EdgeTraffic& each : run.book.Between(Now() - TrafficBook::kKeptSeconds, Now() + 1))
      sum.Add(each.traffic);
    return sum;
  }

  sim::Simulation simulation_{1};
  std::unique_ptr<loop::Loop> loop_ = simulation_.NewLoop(simulation_.AddHost({"10.0.0.1"}));
  const std::string path_ =
      testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name() + ".db";
};

TEST_F(TrafficArchiveTest, ANewRunKnowsTheMinutesThatHadEnded) {
  std::optional<Process> run(std::in_place, path_, *loop_);
  Call(*run, kWebToCart, 3);
  Call(*run, kWebToCart, 2, 503);
  Edge tcp = kWebToCart;
  tcp.protocol = "tcp";
  run->book.AddConnections(*run->book.RowOf(tcp), {4, 3, 1000, 200}, Now());
  const int64_t first = Now();
  Pass(seconds(150));
  Call(*run, kWebToCart, 100);  // in a minute that has not ended
  run.reset();
  struct stat about;
  ASSERT_EQ(stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);

  run.emplace(path_, *loop_);
  const Traffic known = Known(*run);
  EXPECT_EQ(known.requests, 5u);
  EXPECT_EQ(known.failures, 2u);
  EXPECT_EQ(known.buckets[1], 5u);
  EXPECT_EQ(known.outcomes.at(Outcome{503, -1, "UF"}), 2u);
  EXPECT_EQ(known.tcp, (Connections{4, 3, 1000, 200}));
  EXPECT_LE(run->book.SlotStart(first), first) << "it knows that time";
  for (const EdgeTraffic& each : run->book.Between(first - 60, Now() + 1))
    EXPECT_TRUE(each.edge == kWebToCart || each.edge == tcp);

  Call(*run, kWebToCart, 7);
  Pass(seconds(150));
  run.emplace(path_, *loop_);
  EXPECT_EQ(Known(*run).requests, 12u) << "nothing is written twice, nothing is lost";
}

TEST_F(TrafficArchiveTest, WhatIsOlderThanAnHourIsDropped) {
  std::optional<Process> run(std::in_place, path_, *loop_);
  Call(*run, kWebToCart, 3);
  Pass(seconds(150));
  for (int i = 0; i < 60; ++i) {
    Call(*run, kWebToCart, 1);
    Pass(seconds(60));
  }
  run.emplace(path_, *loop_);
  EXPECT_LE(Known(*run).requests, 60u);
  EXPECT_GE(Known(*run).requests, 56u);
}

TEST_F(TrafficArchiveTest, ManyEdgesAreWrittenInSeveralTurns) {
  std::optional<Process> run(std::in_place, path_, *loop_);
  for (size_t i = 0; i < 2 * TrafficArchive::kRowsOfTurn + 1; ++i) {
    Edge edge = kWebToCart;
    edge.service = "s" + std::to_string(i);
    Call(*run, edge, 1);
  }
  Pass(seconds(150));
  run.emplace(path_, *loop_);
  EXPECT_EQ(Known(*run).requests, 2 * TrafficArchive::kRowsOfTurn + 1);
}

TEST_F(TrafficArchiveTest, TheModeOfAFileThatExistsIsSet) {
  std::ofstream(path_) << "";
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  Process run(path_, *loop_);
  struct stat about;
  ASSERT_EQ(stat(path_.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

TEST_F(TrafficArchiveTest, WhatIsWrittenOfAReporterIsLimited) {
  std::optional<Process> run(std::in_place, path_, *loop_);
  Edge edge = kWebToCart;
  edge.service = std::string(500, 's');
  for (int i = 0; i < 1900; ++i) {
    edge.destination = std::string(450, 'd') + std::to_string(i);
    Call(*run, edge, 1);
  }
  edge.source = "spiffe://m/ns/shop/sa/post";
  Call(*run, edge, 1);
  Pass(seconds(150));
  run.emplace(path_, *loop_);
  EXPECT_GT(Known(*run).requests, 500u);
  EXPECT_LT(Known(*run).requests, 1100u);
  bool is_other_known = false;
  for (const EdgeTraffic& each : run->book.Between(Now() - 600, Now()))
    is_other_known |= each.edge.source == edge.source;
  EXPECT_TRUE(is_other_known);
}

// Of a file that somebody else has written, or an earlier version without limits.
TEST_F(TrafficArchiveTest, WhatIsReadIsLimited) {
  std::optional<Process> run(std::in_place, path_, *loop_);
  Call(*run, kWebToCart, 3);
  Pass(seconds(150));
  run.reset();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
  const auto copy = [&](int minute, int rows, int blanks) {
    const std::string sql =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
        std::to_string(rows) + ") INSERT INTO minutes SELECT start - 60 * " +
        std::to_string(minute) + ", replace(edge, 'cart.shop', 'cart' || i), traffic || printf('%" +
        std::to_string(blanks) +
        "s', '') FROM (SELECT * FROM minutes ORDER BY start DESC LIMIT 1), n";
    ASSERT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
  };
  copy(1, 10, 0);
  copy(2, 10, 40'000);  // larger than any row
  copy(3, 4500, 15'000);
  copy(4, 10, 0);
  sqlite3_close(database);
  run.emplace(path_, *loop_);
  EXPECT_EQ(Known(*run).requests, 33u) << "of two minutes; then it was too much";
}

TEST_F(TrafficArchiveTest, AFileThatIsBrokenIsReplaced) {
  for (const std::string& content :
       {std::string(5000, 'x'), std::string("SQLite format 3\0 no", 19)}) {
    std::ofstream(path_) << content;
    std::optional<Process> run(std::in_place, path_, *loop_);
    Call(*run, kWebToCart, 3);
    Pass(seconds(150));
    run.emplace(path_, *loop_);
    EXPECT_EQ(Known(*run).requests, 3u);
  }
}

TEST_F(TrafficArchiveTest, AFileOfAnotherVersionOrWithOtherContentIsReplaced) {
  for (const char* sql : {"PRAGMA user_version=99", "UPDATE minutes SET traffic='{}'",
                          "UPDATE minutes SET edge='[1,2,3,4,5,6,7,8]'",
                          R"(UPDATE minutes SET edge='["a","b\u001b","c","http",true,true,"",""]')",
                          R"(UPDATE minutes SET edge='["a","b","c","gopher",true,true,"",""]')",
                          "DROP TABLE minutes"}) {
    std::optional<Process> run(std::in_place, path_, *loop_);
    Call(*run, kWebToCart, 3);
    Pass(seconds(150));
    run.reset();
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sql;
    sqlite3_close(database);
    run.emplace(path_, *loop_);
    EXPECT_EQ(Known(*run).requests, 0u) << sql;
  }
}

TEST_F(TrafficArchiveTest, AFolderThatIsMissingIsAnError) {
  telemetry::Log log(telemetry::LogLevel::kOff, telemetry::Log::Form::kText);
  TrafficBook book(Now());
  const auto opened = TrafficArchive::Open(path_ + "/none/traffic.db", book, *loop_, log);
  EXPECT_FALSE(opened.ok());
}

TEST_F(TrafficArchiveTest, AFileThatIsInUseIsKept) {
  std::optional<Process> run(std::in_place, path_, *loop_);
  Call(*run, kWebToCart, 3);
  Pass(seconds(150));
  run.reset();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN EXCLUSIVE", nullptr, nullptr, nullptr), SQLITE_OK);
  telemetry::Log log{telemetry::LogLevel::kOff, telemetry::Log::Form::kText};
  TrafficBook book(Now());
  const auto refused = TrafficArchive::Open(path_, book, *loop_, log);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnavailable) << refused.status();
  sqlite3_close(other);
  run.emplace(path_, *loop_);
  EXPECT_EQ(Known(*run).requests, 3u);
}

}  // namespace
}  // namespace tulle::server
