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
  const auto old = Ring::ReadFile(Path() + ".ring");
  EXPECT_EQ(old.status().message(), Path() +
                                        ".ring: written by another version of tulle-sidecar, "
                                        "in format 3, and this one reads format 2; print it "
                                        "with that version");
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
  std::ofstream(Path("empty"));
  EXPECT_FALSE(Ring::ReadFile(Path("empty")).ok());
  EXPECT_FALSE(Ring::ReadFile(folder_).ok());
}

TEST_F(RingTest, ACutFileIsRefused) {
  Ring ring(0, 8);
  ASSERT_TRUE(ring.MoveToFile(Path()).ok());
  Write(ring, "/");
  std::filesystem::copy(Path() + ".ring", Path("cut"));
  std::filesystem::resize_file(Path("cut"), std::filesystem::file_size(Path("cut")) - 1);
  EXPECT_EQ(Ring::ReadFile(Path("cut")).status().message(),
            Path("cut") + ": the file is damaged or incomplete");
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

TEST_F(RingTest, AnExplanationHasTheRecordAndTheDecisions) {
  Ring ring(0, 8, 2);
  const uint64_t number = Write(ring, "/explained", 503);
  ring.Explain([](ExplanationWriter& writer) {
    writer.Add(
        {DecisionKind::kRateLimit, false, "l", "limit exceeded", {}, {.used = 3, .allowed = 4}});
    writer.Add({DecisionKind::kAttempt,
                true,
                "",
                "",
                {},
                {.status = 599,
                 .began = std::chrono::microseconds(1),
                 .took = std::chrono::microseconds(2),
                 .breaker = BreakerNow::kTrial}});
  });
  Write(ring, "/other");
  const auto explanation = ring.ReadExplanation(0);
  ASSERT_NE(explanation, nullptr);
  EXPECT_EQ(explanation->number(), 0u);
  EXPECT_EQ(explanation->record().number(), number);
  EXPECT_EQ(explanation->record()[Text::kPath], "/explained");
  EXPECT_EQ(explanation->left_out(), 0u);
  const std::vector<Decision> decisions = explanation->decisions();
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions[0].kind, DecisionKind::kRateLimit);
  EXPECT_FALSE(decisions[0].positive);
  EXPECT_EQ(decisions[0].subject, "l");
  EXPECT_EQ(decisions[0].reason, "limit exceeded");
  EXPECT_EQ(decisions[0].numbers.used, 3u);
  EXPECT_EQ(decisions[0].numbers.allowed, 4u);
  EXPECT_TRUE(decisions[1].positive);
  EXPECT_EQ(decisions[1].numbers.began, std::chrono::microseconds(1));
  EXPECT_EQ(decisions[1].numbers.took, std::chrono::microseconds(2));
  EXPECT_EQ(decisions[1].numbers.status, 599);
  EXPECT_EQ(decisions[1].numbers.breaker, BreakerNow::kTrial);
  EXPECT_EQ(ring.ReadExplanation(1), nullptr);
}

TEST_F(RingTest, DecisionsWithoutRoomAreCounted) {
  Ring ring(0, 8, 2);
  Write(ring, "/");
  const std::string text(5000, 'x');
  ring.Explain([&](ExplanationWriter& writer) {
    for (int i = 0; i < 10; ++i) writer.Add({DecisionKind::kRoute, false, text, text});
    writer.Add({DecisionKind::kRoute, false, "r", "a short one still has room"});
  });
  const auto explanation = ring.ReadExplanation(0);
  ASSERT_NE(explanation, nullptr);
  const std::vector<Decision> decisions = explanation->decisions();
  ASSERT_EQ(decisions.size() + explanation->left_out(), 11u);
  ASSERT_EQ(explanation->left_out(), 5u);
  EXPECT_EQ(decisions[0].subject.find_first_not_of('x'), std::string_view::npos);
  EXPECT_EQ(decisions.back().reason, "a short one still has room");
}

TEST_F(RingTest, TheOldestExplanationIsOverwritten) {
  Ring ring(0, 8, 2);
  for (int i = 0; i < 3; ++i) {
    Write(ring, "/" + std::to_string(i));
    ring.Explain([](ExplanationWriter&) {});
  }
  EXPECT_EQ(ring.next_explanation(), 3u);
  EXPECT_EQ(ring.ReadExplanation(0), nullptr);
  EXPECT_EQ(ring.ReadExplanation(1)->record()[Text::kPath], "/1");
  EXPECT_EQ(ring.ReadExplanation(2)->record()[Text::kPath], "/2");
}

TEST_F(RingTest, WhatIsTheSameForAllRequestsIsInTheFile) {
  Ring ring(0, 8);
  ASSERT_TRUE(ring.MoveToFile(Path()).ok());
  EXPECT_EQ(ring.own(), "");
  ring.SetOwn("spiffe://mesh/ns/shop/sa/web");
  for (int i = 1; i <= 100; ++i) ring.SetConfiguration(i, "version " + std::to_string(i));
  ring.SetConfiguration(101, std::string(5000, 'x'));
  ring.CountFailed();
  const auto other = Ring::ReadFile(Path() + ".ring");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->own(), "spiffe://mesh/ns/shop/sa/web");
  EXPECT_EQ(other->ConfigurationSince(100), "version 100");
  EXPECT_EQ(other->ConfigurationSince(38), "version 38");
  EXPECT_EQ(other->ConfigurationSince(37), "");
  EXPECT_EQ(other->ConfigurationSince(101).find_first_not_of('x'), std::string::npos);
  EXPECT_EQ(other->failed(), 1u);
}

// Two places, so that the reader meets the writer all the time.
TEST_F(RingTest, AReaderNeverSeesATornExplanation) {
  Ring ring(0, 2, 2);
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (uint64_t i = 0; !stop; ++i) {
      const std::string text(i % 90, static_cast<char>('a' + i % 26));
      Write(ring, text);
      ring.Explain([&](ExplanationWriter& one) {
        for (uint64_t j = 0; j <= i % 7; ++j) one.Add({DecisionKind::kRoute, true, text, text});
      });
    }
  });
  uint64_t seen = 0;
  for (uint64_t tries = 0; tries < 100'000 || seen == 0; ++tries) {
    const auto explanation = ring.ReadExplanationPlace(tries % 2);
    if (explanation == nullptr) continue;
    ++seen;
    const uint64_t i = explanation->number();
    const std::string text(i % 90, static_cast<char>('a' + i % 26));
    ASSERT_EQ(explanation->record()[Text::kPath], text);
    ASSERT_EQ(explanation->decisions().size(), i % 7 + 1);
    for (const Decision& one : explanation->decisions()) ASSERT_EQ(one.reason, text);
  }
  stop = true;
  writer.join();
}

// Sizes that do not fit must not be believed.
TEST(Explanation, OfAnotherOriginIsNotSound) {
  Explanation::Words words{};
  words[0] = 2;
  words[1] = 2;
  EXPECT_TRUE(Explanation::IsSound(words));
  words[kDecisionCountsAt] = 1;
  EXPECT_TRUE(Explanation::IsSound(words));
  words[kDecisionsAt] = 0xff;  // no kind
  EXPECT_FALSE(Explanation::IsSound(words));
  words[kDecisionsAt] = 0;
  words[kDecisionCountsAt] = 1000;
  EXPECT_FALSE(Explanation::IsSound(words));
  words[kDecisionCountsAt] = 6;
  for (size_t at = kDecisionsAt; at < kExplanationWords; ++at) words[at] = 0xffff'0000;
  EXPECT_FALSE(Explanation::IsSound(words));
  words[1] = 3;
  words[kDecisionCountsAt] = 0;
  EXPECT_FALSE(Explanation::IsSound(words));
}

}  // namespace
}  // namespace tulle::recorder
