#include "k8s/init/command.h"

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace tulle::init {
namespace {

// A file in memory instead of a pipe, which could fill up and block.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("tulle-init", MFD_CLOEXEC)) {}
  ~MemoryFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

  bool Fill(const std::string& text) {
    for (size_t done = 0; done < text.size();) {
      const ssize_t count = write(descriptor_, text.data() + done, text.size() - done);
      if (count < 0) return false;
      done += static_cast<size_t>(count);
    }
    return lseek(descriptor_, 0, SEEK_SET) == 0;
  }
  std::string Text() const {
    std::string text;
    char piece[4096];
    ssize_t count = 0;
    while ((count = pread(descriptor_, piece, sizeof(piece), static_cast<off_t>(text.size()))) >
           0) {
      text.append(piece, static_cast<size_t>(count));
    }
    return text;
  }

 private:
  int descriptor_;
};

// iptables is in a folder that is often missing in a user's PATH.
std::string Locate(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::string folders = absl::StrCat(path == nullptr ? "" : path, ":/usr/sbin:/sbin:/usr/bin:/bin");
  for (size_t begin = 0; begin <= folders.size();) {
    const size_t end = std::min(folders.find(':', begin), folders.size());
    const std::string file = absl::StrCat(folders.substr(begin, end - begin), "/", program);
    if (end > begin && access(file.c_str(), X_OK) == 0) return file;
    begin = end + 1;
  }
  return "";
}

}  // namespace

absl::StatusOr<CommandResult> RunCommand(const std::vector<std::string>& argv,
                                         const std::string& input) {
  const std::string file = Locate(argv[0]);
  if (file.empty()) return absl::NotFoundError(absl::StrCat(argv[0], " is not installed"));
  MemoryFile in, out, err;
  if (!in.Fill(input)) return absl::InternalError("out of memory for the input of a program");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.descriptor(), 0);
  posix_spawn_file_actions_adddup2(&actions, out.descriptor(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.descriptor(), 2);
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t child = 0;
  const int error = posix_spawn(&child, file.c_str(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return absl::InternalError(absl::StrCat(file, ": ", std::strerror(error)));
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return CommandResult{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out.Text(),
                       err.Text()};
}

}  // namespace tulle::init
