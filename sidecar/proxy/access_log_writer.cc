#include "sidecar/proxy/access_log_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "telemetry/families.h"

namespace tulle::proxy {
namespace {

constexpr size_t kMostSpare = 8;
// A pipe that polls as writable takes this much without blocking (PIPE_BUF).
constexpr size_t kPiece = 4096;

telemetry::Counter& FailedCounter(telemetry::Registry& registry) {
  const std::string_view reason = "write_failed";
  return registry.CounterRow(telemetry::kAccessLogDropped, {&reason, 1});
}

uint64_t LinesIn(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

AccessLogWriter::AccessLogWriter(telemetry::Registry& registry, size_t most_waiting)
    : most_waiting_(most_waiting), failed_(FailedCounter(registry)), thread_([this] { Run(); }) {}

AccessLogWriter::~AccessLogWriter() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
  CloseFiles();
}

bool AccessLogWriter::Submit(std::string_view path, std::string& lines) {
  {
    std::lock_guard lock(mutex_);
    if (waiting_bytes_ + lines.size() > most_waiting_) return false;
    waiting_bytes_ += lines.size();
    std::string empty;
    if (!spare_.empty()) {
      empty = std::move(spare_.back());
      spare_.pop_back();
    }
    waiting_.push_back({std::string(path), std::exchange(lines, std::move(empty))});
  }
  wake_.notify_one();
  return true;
}

void AccessLogWriter::Reopen() {
  std::lock_guard lock(mutex_);
  reopen_ = true;
}

void AccessLogWriter::Run() {
  // Writing to a pipe without a reader must fail and not end the process.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    Batch batch = std::move(waiting_.front());
    waiting_.pop_front();
    const bool reopen = std::exchange(reopen_, false);
    lock.unlock();
    if (reopen) CloseFiles();
    WriteOut(batch);
    lock.lock();
    waiting_bytes_ -= batch.lines.size();
    if (spare_.size() < kMostSpare) {
      batch.lines.clear();
      spare_.push_back(std::move(batch.lines));
    }
  }
}

void AccessLogWriter::WriteOut(const Batch& batch) {
  File& file = Open(batch.path);
  if (file.descriptor < 0) {
    failed_.Add(LinesIn(batch.lines));
    return;
  }
  if (file.torn && WriteAll(file, "\n") == 1) file.torn = false;
  const size_t written = file.torn ? 0 : WriteAll(file, batch.lines);
  if (written == batch.lines.size()) return;
  if (written != 0) file.torn = batch.lines[written - 1] != '\n';
  failed_.Add(LinesIn(std::string_view(batch.lines).substr(written)));
}

AccessLogWriter::File& AccessLogWriter::Open(const std::string& path) {
  File& file = files_[path];
  if (file.descriptor >= 0) return file;
  // Opened by name, a standard stream that is a socket or another user's terminal refuses.
  if (path == "/dev/stdout") {
    file.descriptor = STDOUT_FILENO;
  } else if (path == "/dev/stderr") {
    file.descriptor = STDERR_FILENO;
  } else {
    // Non-blocking, or a pipe without a reader would hold up the other files.
    file.descriptor =
        open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    file.owned = true;
  }
  struct stat status {};
  file.regular = fstat(file.descriptor, &status) == 0 && S_ISREG(status.st_mode);
  return file;
}

void AccessLogWriter::CloseFiles() {
  for (const auto& [path, file] : files_) {
    if (file.owned && file.descriptor >= 0) close(file.descriptor);
  }
  files_.clear();
}

// The number of bytes written.
size_t AccessLogWriter::WriteAll(const File& file, std::string_view bytes) {
  size_t written = 0;
  while (written < bytes.size()) {
    if (!file.regular && !WaitForRoom(file)) return written;
    const std::string_view piece = bytes.substr(written, file.regular ? bytes.size() : kPiece);
    const ssize_t count = write(file.descriptor, piece.data(), piece.size());
    if (count > 0) {
      written += static_cast<size_t>(count);
    } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
      return written;
    }
  }
  return written;
}

// False: the process ends and the pipe has no reader.
bool AccessLogWriter::WaitForRoom(const File& file) {
  while (true) {
    pollfd ready{file.descriptor, POLLOUT, 0};
    if (poll(&ready, 1, 1000) > 0) return true;
    std::lock_guard lock(mutex_);
    if (stop_) return false;
  }
}

}  // namespace tulle::proxy
