#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sidecar/process/memory_watch.h"
#include "sidecar/process/watchdog.h"

namespace tulle::sidecar {
namespace {

using proxy::MemoryPressure;

// A folder with the files of /proc and /sys that matter.
class Files {
 public:
  Files() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tulle-XXXXXX").string();
    root = ::mkdtemp(pattern.data());
  }
  ~Files() { std::filesystem::remove_all(root); }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  }
  std::string root;
};

TEST(ControlGroup, TakesTheNearestLimitOfVersion2) {
  Files files;
  files.Write("/proc/self/cgroup", "0::/pods/web\n");
  files.Write("/sys/fs/cgroup/pods/web/memory.max", "max\n");
  files.Write("/sys/fs/cgroup/pods/web/memory.current", "500\n");
  files.Write("/sys/fs/cgroup/pods/memory.max", "1000\n");
  files.Write("/sys/fs/cgroup/pods/memory.current", "900\n");
  files.Write("/sys/fs/cgroup/pods/memory.stat", "anon 700\ninactive_file 150\nactive_file 50\n");
  const auto use = ControlGroup(files.root).Read();
  ASSERT_TRUE(use.has_value());
  EXPECT_EQ(use->limit, 1000u);
  EXPECT_EQ(use->used, 750u);
}

TEST(ControlGroup, ReadsVersion1AlsoWhereTheHostsPathLeadsNowhere) {
  Files files;
  files.Write("/proc/self/cgroup", "5:cpu:/\n4:memory:/kubepods/pod1/c2\n0::/\n");
  const std::string mount = "/sys/fs/cgroup/memory";
  files.Write(mount + "/memory.limit_in_bytes", "2000\n");
  files.Write(mount + "/memory.usage_in_bytes", "1000\n");
  files.Write(mount + "/memory.stat", "inactive_file 5\ntotal_inactive_file 100\n");
  const auto use = ControlGroup(files.root).Read();
  ASSERT_TRUE(use.has_value());
  EXPECT_EQ(use->limit, 2000u);
  EXPECT_EQ(use->used, 900u);
}

TEST(ControlGroup, NoLimitIsNone) {
  Files files;
  EXPECT_FALSE(ControlGroup(files.root).Read().has_value());
  files.Write("/proc/self/cgroup", "4:memory:/\n");
  files.Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  files.Write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n");
  EXPECT_FALSE(ControlGroup(files.root).Read().has_value());
}

TEST(MemoryPressure, Fault59_RisesAt95And98AndFallsLater) {
  const auto pressure = [](uint64_t used, MemoryPressure before) {
    return PressureOf({used, 1000}, before);
  };
  EXPECT_EQ(pressure(949, MemoryPressure::kNone), MemoryPressure::kNone);
  EXPECT_EQ(pressure(950, MemoryPressure::kNone), MemoryPressure::kShort);
  EXPECT_EQ(pressure(901, MemoryPressure::kShort), MemoryPressure::kShort);
  EXPECT_EQ(pressure(899, MemoryPressure::kShort), MemoryPressure::kNone);
  EXPECT_EQ(pressure(980, MemoryPressure::kNone), MemoryPressure::kCritical);
  EXPECT_EQ(pressure(951, MemoryPressure::kCritical), MemoryPressure::kCritical);
  EXPECT_EQ(pressure(949, MemoryPressure::kCritical), MemoryPressure::kShort);
  EXPECT_EQ(pressure(100, MemoryPressure::kCritical), MemoryPressure::kNone);
}

class WatchdogTest : public testing::Test {
 protected:
  Watchdog::Post Into(std::vector<absl::AnyInvocable<void()>>& tasks) {
    return [&tasks](absl::AnyInvocable<void()> task) { tasks.push_back(std::move(task)); };
  }
  static void RunAll(std::vector<absl::AnyInvocable<void()>>& tasks) {
    for (auto& task : tasks) task();
    tasks.clear();
  }
  std::vector<std::string> stalled;
  std::vector<std::string> over;
  Watchdog::Events events{[this](const std::string& name) { stalled.push_back(name); },
                          [this](const std::string& name) { over.push_back(name); }};
};

TEST_F(WatchdogTest, Fault60_AStallIsToldOnceAndTheLimitHoldsForWorkersOnly) {
  std::vector<absl::AnyInvocable<void()>> main;
  std::vector<absl::AnyInvocable<void()>> worker;
  Watchdog dog(events, 5 * Watchdog::kInterval);
  dog.Watch("main", false, Into(main));
  dog.Watch("worker-0", true, Into(worker));
  for (int i = 0; i < 3; ++i) {
    dog.Look();
    RunAll(main);
    RunAll(worker);
  }
  EXPECT_TRUE(stalled.empty());
  for (int i = 0; i < 5; ++i) dog.Look();  // the first asks anew
  EXPECT_EQ(stalled, (std::vector<std::string>{"main", "worker-0"}));
  EXPECT_TRUE(over.empty());
  dog.Look();
  EXPECT_EQ(over, std::vector<std::string>{"worker-0"});
  EXPECT_EQ(worker.size(), 1u);  // no pile of questions
  RunAll(worker);
  for (int i = 0; i < 2; ++i) dog.Look();
  EXPECT_EQ(stalled.size(), 3u);  // another stall
}

}  // namespace
}  // namespace tulle::sidecar
