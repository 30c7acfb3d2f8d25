#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/loop/loop.h"
#include "sidecar/proxy/services.h"

namespace tulle::sidecar {

// What a control group may use and uses, in bytes.
struct MemoryUse {
  uint64_t used = 0;  // without file pages that the system takes back when it needs them
  uint64_t limit = 0;
};

// Of this process's control group and those above it, the one that is nearest its limit. Version 1
// and 2. `root` stands before /proc and /sys (tests). Empty: there is no limit, or it cannot be
// read. Source: the kernel's documentation, cgroup-v2.rst and cgroup-v1/memory.rst.
class ControlGroup {
 public:
  explicit ControlGroup(std::string root = "");
  std::optional<MemoryUse> Read() const;

 private:
  struct Level {
    std::string limit;
    std::string used;
    std::string statistics;
    std::string reclaimable;  // its row of the statistics
  };
  void AddLevels(const std::string& mount, std::string path, bool unified);
  std::vector<Level> levels_;
};

// The pressure that `use` means when it was `before`: short from 95 % of the limit on, critical
// from 98 %; back by 5 and by 3 points, lest it flutter.
proxy::MemoryPressure PressureOf(const MemoryUse& use, proxy::MemoryPressure before);

// Asks the control group every second, and ten times as often near the limit, so that the process
// refuses and ends requests rather than be ended by the system. Without a limit it does nothing.
// Owner: Process. Thread: main; `shared` is read by all.
class MemoryWatch {
 public:
  // `on_critical` runs at each reading that is critical.
  MemoryWatch(loop::Loop& loop, ControlGroup group, proxy::SharedMemoryPressure& shared,
              std::function<void()> on_critical);
  void Start();
  const std::optional<MemoryUse>& use() const { return use_; }
  proxy::MemoryPressure pressure() const { return shared_.load(std::memory_order_relaxed); }

 private:
  void Look();

  const ControlGroup group_;
  proxy::SharedMemoryPressure& shared_;
  const std::function<void()> on_critical_;
  std::optional<MemoryUse> use_;
  std::unique_ptr<loop::Timer> timer_;
};

}  // namespace tulle::sidecar
