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

// Memory use and limit of a control group, in bytes.
struct MemoryUse {
  uint64_t used = 0;  // without reclaimable file pages
  uint64_t limit = 0;
};

// Reads this process's control group and its parents, and returns the one nearest its limit.
// Version 1 and 2. `root` is put before /proc and /sys (tests). Empty: no limit, or it cannot be
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

// The memory pressure at `use`, when it was `before`: short from 95 % of the limit, critical from
// 98 %, with a hysteresis of 5 and 3 points.
proxy::MemoryPressure PressureOf(const MemoryUse& use, proxy::MemoryPressure before);

// Reads the control group every second, and ten times as often near the limit, so that the process
// rejects and ends requests before the system kills it. Without a limit it does nothing. Owner:
// WorkerThreads. Thread: main; `shared` is read by all.
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
