#include "sidecar/recorder/ring.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "sidecar/recorder/failure_log.h"

namespace tulle::recorder {
namespace {

class RingTest : public testing::Test {
 protected:
  RingTest() : folder_(testing::TempDir() + "ring_test") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~RingTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name = "recorder-0") const { return folder_ + "/" + name; }
  static uint64_t Write(Ring& ring, std::string_view path, uint16_t status = 200) {
    return ring.Write([&](RecordWriter& writer) {
      Numbers numbers;
      numbers.status = status;
      writer.PutNumbers(numbers);
      writer.Put<Text::kPath>(path);
    });
  }
  static std::string PathOf(const Ring& ring, uint64_t number) {
    const auto record = ring.Read(number);
    return record ? std::string((*record)[Text::kPath]) : "(none)";
  }

  const std::string folder_;
};

TEST_F(RingTest, ARecordHasItsNumbersAndTexts) {
  Ring ring(0, 8);
  Numbers numbers;
  numbers.wall_started = 1'795'255'233'031'000'000;
  numbers.ended = 7;
  numbers.source_ip = {10, 0, 0, 1};
  numbers.source_ip_size = 4;
  numbers.source_port = 80;
  numbers.endpoint_ip = {0x20, 1, 0xd, 0xb8};
  numbers.endpoint_ip_size = 16;
  numbers.endpoint_port = 443;
  numbers.marks = kOutbound | kFailed;
  const uint64_t number = ring.Write([&](RecordWriter& writer) {
    writer.PutNumbers(numbers);
    writer.Put<Text::kRequestId>("6f3f72ba-2445-4bbd-98da-cea3da285b96");
    writer.Put<Text::kMethod>("GET");
    writer.Put<Text::kService>("");
    writer.Put<Text::kCluster>("outbound|80||cart.shop.svc");
    writer.Put<Text::kPath>("/posts/1");
  });
  const auto record = ring.Read(number);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->number(), 0u);
  EXPECT_EQ(record->numbers().wall_started, numbers.wall_started);
  EXPECT_EQ(record->numbers().ended, 7u);
  EXPECT_EQ(record->source_address(), "10.0.0.1:80");
  EXPECT_EQ(record->endpoint(), "[2001:db8::]:443");
  EXPECT_TRUE(record->Has(kFailed));
  EXPECT_FALSE(record->Has(kMutualTls));
  EXPECT_EQ((*record)[Text::kRequestId], "6f3f72ba-2445-4bbd-98da-cea3da285b96");
  EXPECT_EQ((*record)[Text::kMethod], "GET");
  EXPECT_EQ((*record)[Text::kService], "");
  EXPECT_EQ((*record)[Text::kCluster], "outbound|80||cart.shop.svc");
  EXPECT_EQ((*record)[Text::kPath], "/posts/1");
  EXPECT_EQ((*record)[Text::kDetail], "");
}

TEST_F(RingTest, TextsOfEverySizeAreWhole) {
  Ring ring(0, 8);
  const std::string text = "abcdefghijklmnopqrstuvwxyz0123456789";
  for (size_t size = 0; size <= text.size(); ++size) {
    // On the heap and of this size, so that a sanitizer sees a read beyond either end.
    const std::vector<char> part(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(PathOf(ring, Write(ring, {part.data(), part.size()})), text.substr(0, size));
  }
}

// Each has its share, whatever a peer sends.
TEST_F(RingTest, LongTextsAreCutToFairShares) {
  Ring ring(0, 8);
  const std::string text(5000, 'x');
  const uint64_t number = ring.Write([&](RecordWriter& writer) {
    writer.PutNumbers({});
    writer.Put<Text::kRequestId>(text);
    writer.Put<Text::kTraceId>(text);
    writer.Put<Text::kFlag>(text);
    writer.Put<Text::kCause>(text);
    writer.Put<Text::kMethod>(text);
    writer.Put<Text::kPolicy>(text);
    writer.Put<Text::kService>(text);
    writer.Put<Text::kRoute>(text);
    writer.Put<Text::kSource>(text);
    writer.Put<Text::kDestination>(text);
    writer.Put<Text::kCluster>(text);
    writer.Put<Text::kAuthority>(text);
    writer.Put<Text::kPath>(text);
    writer.Put<Text::kDetail>(text);
  });
  const auto record = ring.Read(number);
  ASSERT_TRUE(record);
  for (size_t i = 0; i < kTexts; ++i) {
    const std::string_view kept = (*record)[static_cast<Text>(i)];
    EXPECT_EQ(kept.size(), kShares[i] * 8u) << i;
    EXPECT_EQ(kept.find_first_not_of('x'), kept.npos) << i;
  }
}

TEST_F(RingTest, WhatATextLeavesGoesToLaterOnes) {
  Ring ring(0, 8);
  const std::string path(5000, 'p');
  EXPECT_EQ(PathOf(ring, Write(ring, path)).size(), 31u * 8);
}

TEST_F(RingTest, TheOldestAreOverwritten) {
  Ring ring(0, 4);
  for (int i = 0; i < 10; ++i) Write(ring, "/" + std::to_string(i));
  EXPECT_EQ(ring.next(), 10u);
  EXPECT_EQ(ring.oldest(), 6u);
  EXPECT_EQ(PathOf(ring, 5), "(none)");
  EXPECT_EQ(PathOf(ring, 6), "/6");
  EXPECT_EQ(PathOf(ring, 9), "/9");
  EXPECT_EQ(PathOf(ring, 10), "(none)");
}

TEST_F(RingTest, ARecordThatIsBeingWrittenIsNotRead) {
  Ring ring(0, 4);
  Write(ring, "/former");
  ring.Write([&](RecordWriter& writer) {
    writer.PutNumbers({});
    EXPECT_EQ(PathOf(ring, 1), "(none)");
    EXPECT_FALSE(ring.ReadPlace(1));
    EXPECT_EQ(PathOf(ring, 0), "/former");
  });
  EXPECT_EQ(PathOf(ring, 1), "");
}

// Two places, so that the reader meets the writer all the time.
TEST_F(RingTest, AReaderNeverSeesATornRecord) {
  Ring ring(0, 2);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (uint64_t i = 0; !stop; ++i) {
      const std::string text(i % 240, static_cast<char>('a' + i % 26));
      ring.Write([&](RecordWriter& one) {
        Numbers numbers;
        numbers.ended = i;
        one.PutNumbers(numbers);
        one.Put<Text::kPath>(text);
      });
    }
  });
  uint64_t seen = 0;
  for (uint64_t tries = 0; tries < 200'000 || seen == 0; ++tries) {
    const auto record = ring.ReadPlace(tries % 2);
    if (!record) continue;
    ++seen;
    const uint64_t i = record->numbers().ended;
    ASSERT_EQ(record->number(), i);
    ASSERT_EQ((*record)[Text::kPath], std::string(i % 240, static_cast<char>('a' + i % 26)));
  }
  stop = true;
  writer.join();
}

TEST_F(RingTest, AFileHasTheRecordsForOtherReaders) {
  Ring ring(3, 8);
  ASSERT_TRUE(ring.MoveToFile(Path()).ok());
  Write(ring, "/kept");
  const auto other = Ring::ReadFile(Path() + ".ring");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(PathOf(*other, 0), "/kept");
  EXPECT_EQ(other->about().worker, 3u);
  EXPECT_EQ(other->about().pid, static_cast<uint32_t>(getpid()));
  struct stat about;
  ASSERT_EQ(stat((Path() + ".ring").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
}

// The former process was killed while it wrote.
TEST_F(RingTest, TheFileOfACrashIsKept) {
  const pid_t child = fork();
  if (child == 0) {
    Ring ring(0, 8);
    if (!ring.MoveToFile(Path()).ok()) _exit(1);
    Write(ring, "/before");
    ring.Write([&](RecordWriter& writer) {
      writer.PutNumbers({});
      raise(SIGKILL);
    });
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  Ring ring(0, 8);
  ASSERT_TRUE(ring.MoveToFile(Path()).ok());
  Write(ring, "/after");
  const auto former = Ring::ReadFile(Path() + ".previous.ring");
  ASSERT_TRUE(former.ok()) << former.status();
  EXPECT_EQ(PathOf(*former, 0), "/before");
  EXPECT_EQ(PathOf(*former, 1), "(none)");
  EXPECT_EQ(PathOf(ring, 0), "/after");
}

// A process that crashes at once again must not take the place of what is worth reading.
TEST_F(RingTest, AFileWithoutRecordsIsNotKept) {
  for (const char* path : {"/first", ""}) {
    Ring ring(0, 8);
    ASSERT_TRUE(ring.MoveToFile(Path()).ok());
    if (*path != '\0') Write(ring, path);
  }
  Ring ring(0, 8);
  ASSERT_TRUE(ring.MoveToFile(Path()).ok());
  const auto former = Ring::ReadFile(Path() + ".previous.ring");
  ASSERT_TRUE(former.ok()) << former.status();
  EXPECT_EQ(PathOf(*former, 0), "/first");
}

TEST_F(RingTest, FilesOfAnotherFormAreReplaced) {
  {
    Ring ring(0, 8);
    ASSERT_TRUE(ring.MoveToFile(Path()).ok());
    Write(ring, "/old");
    RingHeader header = ring.about();
    ++header.version;
    std::fstream file(Path() + ".ring", std::ios::in | std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header), sizeof(header));
  }
  EXPECT_FALSE(Ring::ReadFile(Path() + ".ring").ok());
  Ring ring(0, 8);
  ASSERT_TRUE(ring.MoveToFile(Path()).ok());
  EXPECT_EQ(PathOf(ring, 0), "(none)");
  EXPECT_FALSE(std::filesystem::exists(Path() + ".previous.ring"));
}

TEST_F(RingTest, OtherFilesAreRefused) {
  EXPECT_FALSE(Ring::ReadFile(Path("none")).ok());
  std::ofstream(Path("short")) << "TulleRec";
  EXPECT_FALSE(Ring::ReadFile(Path("short")).ok());
  std::ofstream(Path("long")) << std::string(10'000, 'x');
  EXPECT_FALSE(Ring::ReadFile(Path("long")).ok());
}

TEST_F(RingTest, AFileThatIsCutShortLaterDoesNoHarm) {
  Ring ring(0, 8);
  ASSERT_TRUE(ring.MoveToFile(Path()).ok());
  Write(ring, "/kept");
  const std::string copy = Path("copy");
  std::filesystem::copy_file(Path() + ".ring", copy);
  const auto other = Ring::ReadFile(copy);
  ASSERT_TRUE(other.ok()) << other.status();
  std::filesystem::resize_file(copy, 0);
  EXPECT_EQ(PathOf(*other, 0), "/kept");
  EXPECT_FALSE(Ring::ReadFile(copy).ok());
}

// Sizes that do not fit must not be believed.
TEST(Record, OfAnotherOriginIsNotSound) {
  Record::Words words{};
  words[0] = 2;
  EXPECT_TRUE(Record::IsSound(words));
  words[kSizesAt] = ~uint64_t{0};
  EXPECT_FALSE(Record::IsSound(words));
  words[kSizesAt] = 0;
  words[0] = 3;
  EXPECT_FALSE(Record::IsSound(words));
}

TEST_F(RingTest, AnIdleRingNeedsNoMemory) {
  const auto resident = [] {
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    return pages;
  };
  const size_t before = resident();
  Ring ring(0);
  ASSERT_TRUE(ring.MoveToFile(Path()).ok());
  Write(ring, "/one");
  EXPECT_LT(resident(), before + 64);
}

TEST(FailureLog, KeepsWhatTheBudgetAllows) {
  FailureLog log;
  int allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += log.Note(std::chrono::seconds(10));
  EXPECT_EQ(allowed, 40);
  EXPECT_EQ(log.noted(), 100u);
  EXPECT_TRUE(log.Note(std::chrono::seconds(11)));
}

TEST(FailureLog, KeepsTheLastOnesWithTheirFirstDecisions) {
  FailureLog log;
  Ring ring(0, 128);
  for (uint64_t i = 0; i <= FailureLog::kKept; ++i) {
    const uint64_t number = ring.Write([](RecordWriter& writer) { writer.PutNumbers({}); });
    log.Keep(*ring.Read(number),
             {{"route", false, "r", "path does not match"},
              {"route", false, "long", std::string(FailureLog::kMostText - 20, 'x')},
              {"route", false, "too much", "x"}});
  }
  EXPECT_EQ(log.kept(), FailureLog::kKept + 1);
  EXPECT_FALSE(log.Get(0));
  EXPECT_FALSE(log.Get(FailureLog::kKept + 1));
  ASSERT_TRUE(log.Get(FailureLog::kKept));
  EXPECT_EQ(log.Get(FailureLog::kKept)->record.number(), FailureLog::kKept);
  EXPECT_TRUE(log.DecisionsOf(0).empty());
  const std::vector<KeptDecision> decisions = log.DecisionsOf(1);
  ASSERT_EQ(decisions.size(), 1u);
  EXPECT_EQ(decisions[0].reason, "path does not match");
}

}  // namespace
}  // namespace tulle::recorder
