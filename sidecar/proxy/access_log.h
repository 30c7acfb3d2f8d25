#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "net/loop/loop.h"
#include "sidecar/proxy/ended.h"
#include "telemetry/access_log_format.h"
#include "telemetry/metrics.h"

namespace tulle::proxy {

// Where finished lines go. Any thread; never blocks.
class AccessLogSink {
 public:
  virtual ~AccessLogSink() = default;
  // Takes `lines` for `path` and leaves an empty string, which may have capacity. False: refused,
  // nothing was taken.
  virtual bool Submit(std::string_view path, std::string& lines) = 0;
};

// The access logs of one worker. Lines are batched per file and passed to the sink every second, at
// 64 KiB, or at the end of a loop turn that left more than 16 KiB. If the sink does not keep up,
// lines are dropped and counted; requests never wait.
//
// Without a configured log, failures of the proxy or the upstream are still logged to stderr: at
// most ten lines a second, and the number of those suppressed.
//
// Owner: Worker. Thread: the worker's.
class AccessLog final : private loop::TurnEnd {
 public:
  AccessLog(loop::Loop& loop, AccessLogSink& sink, telemetry::Registry& registry);
  ~AccessLog() override;  // passes on what is left

  void Write(const EndedRequest& request);
  void Write(const EndedRelay& relay);
  void Flush();

 private:
  struct File {
    std::string path;
    std::string lines;
    uint64_t count = 0;
  };
  struct Log {
    telemetry::AccessLogFormat format;
    File* file;
  };
  struct ChainLogs {
    std::weak_ptr<const config::FilterChainSpec> chain;  // its address may be used again
    std::vector<Log> logs;
  };

  const std::vector<Log>& LogsOf(const std::shared_ptr<const config::FilterChainSpec>& chain);
  void WriteLine(const telemetry::AccessLogFormat& format, File& file,
                 const telemetry::LogValues& values);
  void WriteError(const telemetry::LogValues& values);
  bool MayWriteError();
  File& FileFor(std::string_view path);
  void Submit(File& file);
  void OnTurnEnd() override;

  static constexpr size_t kSubmitAt = 64 * 1024;
  static constexpr size_t kSubmitAtTurnEnd = 16 * 1024;
  static constexpr size_t kMostChains = 256;
  static constexpr int kErrorsPerSecond = 10;

  loop::Loop& loop_;
  AccessLogSink& sink_;
  telemetry::Counter& dropped_;
  telemetry::Counter& unusable_;
  std::unique_ptr<loop::Timer> timer_;
  std::vector<std::unique_ptr<File>> files_;
  absl::flat_hash_map<const config::FilterChainSpec*, ChainLogs> chains_;
  telemetry::AccessLogFormat error_line_;
  loop::Instant errors_since_{};
  int errors_written_ = 0;
  uint64_t errors_held_ = 0;
};

}  // namespace tulle::proxy
