#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "sidecar/proxy/access_log.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

// Writes the access logs of all workers in a thread of its own, so that a slow disk or a pipe
// without a reader blocks no worker. The queue is bounded. If a file cannot be opened or written (a
// full disk), the current lines are dropped and counted; the next ones are tried again.
//
// Owner: the composition root; outlives the workers' AccessLogs. Submit: any thread.
class AccessLogWriter final : public AccessLogSink {
 public:
  static constexpr size_t kMostWaiting = 4 * 1024 * 1024;  // bytes

  // `registry` is for the writer's thread alone.
  explicit AccessLogWriter(telemetry::Registry& registry, size_t most_waiting = kMostWaiting);
  // Writes what is queued, for at most a second if the reader does not read.
  ~AccessLogWriter() override;

  bool Submit(std::string_view path, std::string& lines) override;
  // Reopens all files before the next line: after log rotation (SIGHUP, SIGUSR1).
  void Reopen();

 private:
  struct Batch {
    std::string path;
    std::string lines;
  };
  struct File {
    int descriptor = -1;
    bool owned = false;    // not one of the standard streams
    bool regular = false;  // takes everything at once
    bool torn = false;     // the last write ended within a line
  };

  void Run();
  void WriteOut(const Batch& batch);
  File& Open(const std::string& path);
  void CloseFiles();
  size_t WriteAll(const File& file, std::string_view bytes);
  bool WaitForRoom(const File& file);

  const size_t most_waiting_;
  telemetry::Counter& failed_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Batch> waiting_;
  size_t waiting_bytes_ = 0;
  std::vector<std::string> spare_;  // emptied, with room
  bool stop_ = false;
  bool reopen_ = false;

  std::map<std::string, File> files_;  // the writer's thread only
  std::thread thread_;
};

}  // namespace tulle::proxy
