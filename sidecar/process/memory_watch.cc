#include "sidecar/process/memory_watch.h"

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace tulle::sidecar {
namespace {

using proxy::MemoryPressure;

constexpr loop::Duration kSeldom = std::chrono::seconds(1);
constexpr loop::Duration kOften = std::chrono::milliseconds(100);
constexpr double kNear = 0.85;
// Version 1 writes "no limit" as the largest number of whole pages.
constexpr uint64_t kNoLimit = uint64_t{1} << 60;

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Empty for a file that does not exist, and for "max".
std::optional<uint64_t> ReadNumber(const std::string& path) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(ReadText(path), &number)) return std::nullopt;
  return number;
}

uint64_t RowOf(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string row;
  uint64_t number = 0;
  while (file >> row >> number) {
    if (row == name) return number;
  }
  return 0;
}

}  // namespace

ControlGroup::ControlGroup(std::string root) {
  // hierarchy:controllers:path, where version 2 names no controller.
  for (const auto& line : absl::StrSplit(ReadText(root + "/proc/self/cgroup"), '\n')) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    if (fields[1].empty()) AddLevels(root + "/sys/fs/cgroup", fields[2], true);
    if (fields[1] == "memory") AddLevels(root + "/sys/fs/cgroup/memory", fields[2], false);
  }
}

// From the process's own group up to the mount. In a container the mount shows the own group as its
// root, and the path of the host does not exist there: its levels read as unlimited.
void ControlGroup::AddLevels(const std::string& mount, std::string path, bool unified) {
  while (true) {
    const std::string folder = absl::StrCat(mount, path == "/" ? "" : path);
    if (unified) {
      levels_.push_back({folder + "/memory.max", folder + "/memory.current",
                         folder + "/memory.stat", "inactive_file"});
    } else {
      levels_.push_back({folder + "/memory.limit_in_bytes", folder + "/memory.usage_in_bytes",
                         folder + "/memory.stat", "total_inactive_file"});
    }
    if (path.empty() || path == "/") return;
    path.resize(path.rfind('/'));
  }
}

std::optional<MemoryUse> ControlGroup::Read() const {
  std::optional<MemoryUse> nearest;
  for (const Level& level : levels_) {
    const std::optional<uint64_t> limit = ReadNumber(level.limit);
    const std::optional<uint64_t> used = ReadNumber(level.used);
    if (!limit || !used || *limit == 0 || *limit >= kNoLimit) continue;
    const uint64_t reclaimable = RowOf(level.statistics, level.reclaimable);
    const MemoryUse use{*used > reclaimable ? *used - reclaimable : 0, *limit};
    if (!nearest || static_cast<double>(use.used) / static_cast<double>(use.limit) >
                        static_cast<double>(nearest->used) / static_cast<double>(nearest->limit))
      nearest = use;
  }
  return nearest;
}

MemoryPressure PressureOf(const MemoryUse& use, MemoryPressure before) {
  const double share = static_cast<double>(use.used) / static_cast<double>(use.limit);
  if (share >= 0.98 || (before == MemoryPressure::kCritical && share >= 0.95))
    return MemoryPressure::kCritical;
  if (share >= 0.95 || (before != MemoryPressure::kNone && share >= 0.90))
    return MemoryPressure::kShort;
  return MemoryPressure::kNone;
}

MemoryWatch::MemoryWatch(loop::Loop& loop, ControlGroup group, proxy::SharedMemoryPressure& shared,
                         std::function<void()> on_critical)
    : group_(std::move(group)),
      shared_(shared),
      on_critical_(std::move(on_critical)),
      timer_(loop.NewTimer([this] { Look(); })) {}

void MemoryWatch::Start() {
  if (group_.Read().has_value()) Look();
}

// A reading that fails (out of descriptors) changes nothing.
void MemoryWatch::Look() {
  if (const std::optional<MemoryUse> use = group_.Read()) use_ = use;
  const MemoryPressure pressure = PressureOf(*use_, this->pressure());
  shared_.store(pressure, std::memory_order_relaxed);
  if (pressure == MemoryPressure::kCritical) on_critical_();
  const double share = static_cast<double>(use_->used) / static_cast<double>(use_->limit);
  timer_->Start(share < kNear ? kSeldom : kOften);
}

}  // namespace tulle::sidecar
