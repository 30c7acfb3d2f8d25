#include "sidecar/proxy/access_log.h"

#include <chrono>
#include <span>
#include <utility>

#include "sidecar/proxy/access_log_values.h"
#include "sidecar/proxy/failures.h"
#include "sidecar/proxy/log_filter.h"
#include "sidecar/proxy/log_record_head.h"
#include "sidecar/proxy/request_outcome.h"
#include "sidecar/proxy/response_flags.h"
#include "telemetry/families.h"

namespace tulle::proxy {
namespace {

using telemetry::AccessLogFormat;

constexpr auto kFlushEvery = std::chrono::seconds(1);
constexpr std::string_view kErrorPath = "/dev/stderr";
constexpr std::string_view kErrorLine =
    "[%START_TIME%] error \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    "cause=%TULLE_CAUSE% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %DURATION% "
    "\"%REQ(X-REQUEST-ID)%\" "
    "\"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER% %DOWNSTREAM_REMOTE_ADDRESS%\n";
constexpr std::string_view kDenialLine =
    "[%START_TIME%] denied \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% "
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    "cause=%TULLE_CAUSE% caller=\"%DOWNSTREAM_PEER_URI_SAN%\" %DOWNSTREAM_REMOTE_ADDRESS% "
    "target=\"%REQ(:AUTHORITY)%\" %DOWNSTREAM_LOCAL_ADDRESS% \"%REQUESTED_SERVER_NAME%\" "
    "\"%REQ(X-REQUEST-ID)%\"\n";

constexpr std::string_view kBrokenLine =
    "[%START_TIME%] connection ended %RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% "
    "cause=%TULLE_CAUSE% caller=\"%DOWNSTREAM_PEER_URI_SAN%\" %DOWNSTREAM_REMOTE_ADDRESS% "
    "%DOWNSTREAM_LOCAL_ADDRESS% \"%REQUESTED_SERVER_NAME%\"\n";

telemetry::Counter& DroppedCounter(telemetry::Registry& registry, std::string_view reason) {
  return registry.CounterRow(telemetry::kAccessLogDropped, {&reason, 1});
}

absl::StatusOr<AccessLogFormat> Compile(const config::AccessLogSpec& spec) {
  if (!spec.json.empty()) return AccessLogFormat::Json(spec.json);
  return AccessLogFormat::Text(spec.format.empty() ? telemetry::kEnvoyLine
                                                   : std::string_view(spec.format));
}

std::span<const config::AccessLogSpec> SpecsOf(const config::FilterChainSpec& chain) {
  if (const auto* http = std::get_if<config::HttpSpec>(&chain.proxy)) return http->access_logs;
  return std::get<config::TcpSpec>(chain.proxy).access_logs;
}

}  // namespace

AccessLog::AccessLog(loop::Loop& loop, AccessLogSink& sink, telemetry::Registry& registry,
                     CollectorSink* collectors)
    : loop_(loop),
      sink_(sink),
      dropped_(DroppedCounter(registry, "queue_full")),
      unusable_(DroppedCounter(registry, "bad_format")),
      suppressed_(DroppedCounter(registry, "suppressed")),
      timer_(loop.NewTimer([this] { Flush(); })),
      errors_{"error: ",
              " more failed requests were not logged; configure an access log to see all\n"},
      callers_errors_{"error: ",
                      " more errors of callers were not logged; configure an access log to see "
                      "all\n"},
      denials_{"denied: ", " more denials were not logged; configure an access log to see all\n"},
      broken_{
          "connection ended: ",
          " more were not logged; tulle_downstream_connections_broken_total, "
          "tulle_downstream_connections_refused_total and tulle_protocol_detections_total count "
          "all\n"} {
  if (collectors != nullptr) records_.emplace(loop, *collectors, dropped_, dropped_);
  for (const auto& [limited, text] :
       {std::pair(&errors_, kErrorLine), std::pair(&callers_errors_, kErrorLine),
        std::pair(&denials_, kDenialLine), std::pair(&broken_, kBrokenLine)}) {
    if (absl::StatusOr<AccessLogFormat> line = AccessLogFormat::Text(text); line.ok())
      limited->line = *std::move(line);
  }
}

AccessLog::~AccessLog() { Flush(); }

void AccessLog::Write(const EndedRequest& request) {
  const ChainLogs& logs = LogsOf(request.downstream.chain);
  const RequestValues values(request);
  if (logs.empty()) return WriteUnasked(request.record, values);
  WriteAll(logs, request, values);
}

void AccessLog::Write(const EndedRelay& relay) {
  const ChainLogs& logs = LogsOf(relay.downstream.chain);
  const RelayValues values(relay);
  if (!logs.empty()) return WriteAll(logs, relay, values);
  if (relay.record.failure.kind == failures::kDenied) return WriteLimited(denials_, values);
  if (HasFailed(relay.record)) WriteLimited(errors_, values);
}

template <typename Ended>
void AccessLog::WriteAll(const ChainLogs& logs, const Ended& ended,
                         const telemetry::LogValues& values) {
  const auto passes = [&](const auto& log) {
    return log.filter == nullptr || Passes(*log.filter, ended, loop_.random());
  };
  for (const FileLog& log : logs.files) {
    if (passes(log)) WriteLine(log.format, *log.file, values);
  }
  if (!records_) return;
  for (const CollectorLog& log : logs.collectors) {
    if (!passes(log)) continue;
    CollectorBatches::Batch& batch = records_->For(log.collector);
    log.format.Append(HeadOf(ended), values, batch.records);
    records_->Wrote(batch, 1);
  }
}

void AccessLog::Write(const UnmatchedConnection& connection) {
  WriteLimited(denials_, UnmatchedValues(connection, loop_.WallNow()));
}

void AccessLog::Write(const BrokenConnection& connection) {
  WriteLimited(broken_, BrokenValues(connection, loop_.WallNow()));
}

const AccessLog::ChainLogs& AccessLog::LogsOf(
    const std::shared_ptr<const config::FilterChainSpec>& chain) {
  auto known = chains_.find(chain.get());
  if (known != chains_.end() && !known->second.chain.expired()) return known->second;
  if (chains_.size() >= kMostChains) {
    absl::erase_if(chains_, [](const auto& one) { return one.second.chain.expired(); });
  }
  ChainLogs& made = chains_[chain.get()];
  made = ChainLogs{chain, {}, {}};
  for (const config::AccessLogSpec& spec : SpecsOf(*chain)) AddLog(spec, made);
  return made;
}

// The loader has rejected unusable formats.
void AccessLog::AddLog(const config::AccessLogSpec& spec, ChainLogs& logs) {
  if (spec.collector != nullptr) {
    auto format = telemetry::LogRecordFormat::Compile(spec.format, spec.json, spec.attributes);
    if (!format.ok()) return unusable_.Add();
    logs.collectors.push_back({*std::move(format), spec.filter, spec.collector});
    return;
  }
  absl::StatusOr<AccessLogFormat> format = Compile(spec);
  if (!format.ok()) return unusable_.Add();
  logs.files.push_back({*std::move(format), spec.filter, &FileFor(spec.path)});
}

void AccessLog::WriteLine(const AccessLogFormat& format, File& file,
                          const telemetry::LogValues& values) {
  format.Append(values, file.lines);
  ++file.count;
  if (file.lines.size() >= kSubmitAt) {
    Submit(file);
  } else {
    loop_.AtTurnEnd(*this);
  }
}

void AccessLog::WriteUnasked(const DecisionRecord& record, const telemetry::LogValues& values) {
  if (record.failure.kind == failures::kDenied) return WriteLimited(denials_, values);
  if (!HasFailed(record, GrpcStatusNumber(record.grpc_status))) return;
  WriteLimited(IsCallersError(record) ? callers_errors_ : errors_, values);
}

void AccessLog::WriteLimited(Limited& limited, const telemetry::LogValues& values) {
  if (MayWrite(limited)) WriteLine(limited.line, FileFor(kErrorPath), values);
}

bool AccessLog::MayWrite(Limited& limited) {
  const loop::Instant now = loop_.Now();
  if (limited.since == loop::Instant() || now - limited.since >= std::chrono::seconds(1)) {
    if (limited.held != 0) {
      File& file = FileFor(kErrorPath);
      file.lines += limited.prefix + std::to_string(limited.held) + limited.suppressed;
      ++file.count;
    }
    limited.since = now;
    limited.written = 0;
    limited.held = 0;
  }
  if (++limited.written <= kUnaskedPerSecond) return true;
  ++limited.held;
  suppressed_.Add();
  return false;
}

AccessLog::File& AccessLog::FileFor(std::string_view path) {
  for (const auto& file : files_) {
    if (file->path == path) return *file;
  }
  return *files_.emplace_back(std::make_unique<File>(File{std::string(path), {}, 0}));
}

void AccessLog::Submit(File& file) {
  if (file.lines.empty()) return;
  if (!sink_.Submit(file.path, file.lines)) {
    dropped_.Add(file.count);
    file.lines.clear();
  }
  file.count = 0;
}

void AccessLog::Flush() {
  for (const auto& file : files_) Submit(*file);
  if (records_) records_->Flush();
}

void AccessLog::OnTurnEnd() {
  bool waiting = false;
  for (const auto& file : files_) {
    if (file->lines.size() >= kSubmitAtTurnEnd) Submit(*file);
    waiting = waiting || !file->lines.empty();
  }
  if (waiting && !timer_->active()) timer_->Start(kFlushEvery);
}

}  // namespace tulle::proxy
