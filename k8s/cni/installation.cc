#include "k8s/cni/installation.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "k8s/cni/chain.h"
#include "k8s/cni/files.h"

namespace tulle::cni {
namespace {

namespace fs = std::filesystem;

constexpr char kProgram[] = "/tulle-cni";

// In the order in which container runtimes look at them.
absl::StatusOr<std::vector<fs::path>> Configurations(const std::string& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory()) continue;
    const std::string extension = entry.path().extension().string();
    if (extension == ".conflist" || extension == ".conf" || extension == ".json")
      found.push_back(entry.path());
  }
  if (error) return absl::FailedPreconditionError(absl::StrCat(folder, ": ", error.message()));
  std::sort(found.begin(), found.end());
  return found;
}

// Where a symbolic link leads, so that the link stays.
absl::StatusOr<std::string> FileOf(const fs::path& path) {
  if (!fs::is_symlink(path)) return path.string();
  std::error_code error;
  const fs::path file = fs::canonical(path, error);
  if (!error && file.parent_path() == fs::canonical(path.parent_path(), error))
    return file.string();
  return absl::FailedPreconditionError(absl::StrCat(
      path.string(), ": a symbolic link that leads out of its folder: make it a regular file"));
}

// A configuration that has to be written anew.
struct Change {
  std::string path;
  std::string text;
};

absl::StatusOr<std::vector<Change>> ChangesToInstall(const std::string& folder) {
  const auto all = Configurations(folder);
  if (!all.ok()) return all.status();
  if (all->empty()) {
    return absl::NotFoundError(
        absl::StrCat("waiting for the configuration of the network plugin in ", folder));
  }
  const auto path = FileOf(all->front());
  if (!path.ok()) return path.status();
  const auto list = ReadWhole(*path);
  if (!list.ok()) return list.status();
  auto wanted = WithEntry(*list);
  if (!wanted.ok())
    return absl::Status(wanted.status().code(),
                        absl::StrCat(*path, ": ", wanted.status().message()));
  if (*wanted == *list) return std::vector<Change>();
  return std::vector<Change>{{*path, *std::move(wanted)}};
}

absl::StatusOr<std::vector<Change>> ChangesToRemove(const std::string& folder) {
  const auto all = Configurations(folder);
  if (!all.ok()) return all.status();
  std::vector<Change> changes;
  for (const fs::path& path : *all) {
    const auto file = FileOf(path);
    if (!file.ok()) continue;  // nothing was written there
    const auto list = ReadWhole(*file);
    if (!list.ok()) return list.status();
    auto wanted = WithoutEntry(*list);
    if (!wanted.ok() || *wanted == *list) continue;  // not a list, so not ours
    changes.push_back({*file, *std::move(wanted)});
  }
  return changes;
}

absl::Status Apply(const absl::StatusOr<std::vector<Change>>& changes) {
  if (!changes.ok()) return changes.status();
  for (const Change& change : *changes) {
    const absl::Status replaced = ReplaceFile(change.path, change.text, 0600);
    if (!replaced.ok()) return replaced;
  }
  return absl::OkStatus();
}

absl::Status CheckNone(const absl::StatusOr<std::vector<Change>>& changes, const char* what) {
  if (!changes.ok()) return changes.status();
  if (changes->empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(changes->front().path, what));
}

}  // namespace

absl::Status Installation::Install() const {
  const auto own = ReadWhole(program);
  if (!own.ok()) return own.status();
  const std::string target = bin_folder + kProgram;
  // First: the runtime calls it as soon as the entry is there.
  if (const auto there = ReadWhole(target); !there.ok() || *there != *own) {
    const absl::Status copied = ReplaceFile(target, *own, 0755);
    if (!copied.ok()) return copied;
  }
  return Apply(ChangesToInstall(conf_folder));
}

// The program stays: CRI-O calls it for the deletion of each pod that it was called for, with the
// list that it had then, and could not delete these pods.
absl::Status Installation::Remove() const { return Apply(ChangesToRemove(conf_folder)); }

absl::Status Installation::CheckInstalled() const {
  const auto own = ReadWhole(program);
  if (!own.ok()) return own.status();
  const auto there = ReadWhole(bin_folder + kProgram);
  if (!there.ok()) return there.status();
  if (*there != *own)
    return absl::FailedPreconditionError(absl::StrCat(bin_folder, kProgram, " is another version"));
  return CheckNone(ChangesToInstall(conf_folder), " has no entry for tulle-cni");
}

absl::Status Installation::CheckRemoved() const {
  return CheckNone(ChangesToRemove(conf_folder), " has an entry for tulle-cni");
}

}  // namespace tulle::cni
