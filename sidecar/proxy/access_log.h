#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "net/loop/loop.h"
#include "sidecar/proxy/collector_batches.h"
#include "sidecar/proxy/ended.h"
#include "sidecar/proxy/services.h"
#include "telemetry/access_log_format.h"
#include "telemetry/log_record.h"
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

// The access logs of one worker: lines of files, and records for collectors. Lines are batched per
// file and passed to the sink every second, at 64 KiB, or at the end of a loop turn that left more
// than 16 KiB. If the sink does not keep up, lines are dropped and counted; requests never wait.
//
// Without a configured log, requests that failed are still logged to stderr: those by the fault of
// their caller, all others, and denials, at most ten lines of each a second, and the number of
// those suppressed. Connections that no filter chain matches have no configured log; they count as
// denials. Connections that we end because TLS failed, because their peer broke HTTP/2, or because
// their protocol could not be detected, have lines of their own.
//
// Owner: Worker. Thread: the worker's.
class AccessLog final : private loop::TurnEnd {
 public:
  // `collectors` null: no records are made.
  AccessLog(loop::Loop& loop, AccessLogSink& sink, telemetry::Registry& registry,
            CollectorSink* collectors = nullptr);
  ~AccessLog() override;  // passes on what is left

  void Write(const EndedRequest& request);
  void Write(const EndedRelay& relay);
  void Write(const UnmatchedConnection& connection);
  void Write(const BrokenConnection& connection);
  void Flush();

 private:
  struct File {
    std::string path;
    std::string lines;
    uint64_t count = 0;
  };
  struct FileLog {
    telemetry::AccessLogFormat format;
    std::shared_ptr<const config::LogFilter> filter;  // null: all
    File* file;
  };
  struct CollectorLog {
    telemetry::LogRecordFormat format;
    std::shared_ptr<const config::LogFilter> filter;  // null: all
    std::shared_ptr<const config::CollectorSpec> collector;
  };
  struct ChainLogs {
    std::weak_ptr<const config::FilterChainSpec> chain;  // its address may be used again
    std::vector<FileLog> files;
    std::vector<CollectorLog> collectors;

    bool empty() const { return files.empty() && collectors.empty(); }
  };

  const ChainLogs& LogsOf(const std::shared_ptr<const config::FilterChainSpec>& chain);
  void AddLog(const config::AccessLogSpec& spec, ChainLogs& logs);
  template <typename Ended>
  void WriteAll(const ChainLogs& logs, const Ended& ended, const telemetry::LogValues& values);
  void WriteLine(const telemetry::AccessLogFormat& format, File& file,
                 const telemetry::LogValues& values);
  // Lines that are written without a configured log.
  struct Limited {
    std::string prefix;  // before the number of suppressed lines, and after it
    std::string suppressed;
    telemetry::AccessLogFormat line = {};
    loop::Instant since{};
    int written = 0;
    uint64_t held = 0;
  };

  void WriteUnasked(const DecisionRecord& record, const telemetry::LogValues& values);
  void WriteLimited(Limited& limited, const telemetry::LogValues& values);
  bool MayWrite(Limited& limited);
  File& FileFor(std::string_view path);
  void Submit(File& file);
  void OnTurnEnd() override;

  static constexpr size_t kSubmitAt = 64 * 1024;
  static constexpr size_t kSubmitAtTurnEnd = 16 * 1024;
  static constexpr size_t kMostChains = 256;
  static constexpr int kUnaskedPerSecond = 10;

  loop::Loop& loop_;
  AccessLogSink& sink_;
  telemetry::Counter& dropped_;
  telemetry::Counter& unusable_;
  telemetry::Counter& suppressed_;
  std::unique_ptr<loop::Timer> timer_;
  std::vector<std::unique_ptr<File>> files_;
  std::optional<CollectorBatches> records_;
  absl::flat_hash_map<const config::FilterChainSpec*, ChainLogs> chains_;
  Limited errors_;
  Limited callers_errors_;  // apart, so that no caller can push out the others
  Limited denials_;
  Limited broken_;
};

}  // namespace tulle::proxy
