#include "control-plane/cli/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/user_error.h"
#include "net/base/private_file.h"

namespace tulle::cli {
namespace {

namespace fs = std::filesystem;

bool IsManifest(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

template <typename Iterator>
std::vector<std::string> ManifestsOf(const std::string& path) {
  std::vector<std::string> found;
  std::error_code error;
  for (Iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (at->is_regular_file(error) && IsManifest(at->path())) found.push_back(at->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& folder, bool is_recursive) {
  std::vector<std::string> found = is_recursive
                                       ? ManifestsOf<fs::recursive_directory_iterator>(folder)
                                       : ManifestsOf<fs::directory_iterator>(folder);
  if (!found.empty()) return found;
  return UserError("no *.yaml, *.yml or *.json files found in " + folder,
                   is_recursive ? "use another folder" : "use -R to include subfolders");
}

absl::Status WriteError(const std::string& path) {
  return UserError(absl::StrCat("cannot write ", path, ": ", strerror(errno)),
                   "check owner, mode and free space of its folder");
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  struct stat status {};
  if (file && stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    file.setstate(std::ios::failbit);
  }
  if (!file || !(text << file.rdbuf() || file.peek() == std::ifstream::traits_type::eof())) {
    return UserError(absl::StrCat("cannot read ", path, ": ", strerror(errno)),
                     "check the path and your permissions");
  }
  return text.str();
}

absl::StatusOr<std::vector<InputFile>> ReadInputs(const std::vector<std::string>& paths,
                                                  bool is_recursive, std::istream& in) {
  std::vector<InputFile> inputs;
  for (const std::string& path : paths) {
    std::error_code error;
    if (path == "-") {
      std::ostringstream text;
      text << in.rdbuf();
      inputs.push_back({"standard input", text.str()});
      continue;
    }
    std::vector<std::string> files = {path};
    if (fs::is_directory(path, error)) {
      auto found = FilesOf(path, is_recursive);
      if (!found.ok()) return found.status();
      files = *std::move(found);
    }
    for (const std::string& file : files) {
      auto text = ReadFile(file);
      if (!text.ok()) return text.status();
      inputs.push_back({file, *std::move(text)});
    }
  }
  return inputs;
}

absl::Status RewriteFile(const std::string& path, std::string_view text) {
  struct stat old {};
  if (stat(path.c_str(), &old) != 0) return WriteError(path);
  const std::string fresh = path + ".new";
  unlink(fresh.c_str());
  const int file = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file >= 0) {
    const bool is_written =
        write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        fchmod(file, old.st_mode & 07777) == 0 && fsync(file) == 0;
    // Only root can keep another owner; others could not have written the file either.
    const bool is_owned = old.st_uid == geteuid() || fchown(file, old.st_uid, old.st_gid) == 0;
    close(file);
    if (is_written && is_owned && rename(fresh.c_str(), path.c_str()) == 0) return absl::OkStatus();
    unlink(fresh.c_str());
  }
  std::ofstream in_place(path, std::ios::binary | std::ios::trunc);
  in_place << text;
  in_place.flush();
  return in_place ? absl::OkStatus() : WriteError(path);
}

absl::Status WritePrivateFile(const std::string& path, std::string_view text) {
  errno = tulle::WritePrivateFile(path, text);
  return errno == 0 ? absl::OkStatus() : WriteError(path);
}

}  // namespace tulle::cli
