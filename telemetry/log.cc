// Levels, formatting and output of the process log.
#include "telemetry/log.h"

#include <spdlog/details/null_mutex.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <mutex>

#include "telemetry/escape.h"
#include "telemetry/log_time.h"

namespace tulle::telemetry {
namespace {

constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warning", "error", "off"};
constexpr std::string_view kComponents[] = {"main",     "config", "xds",       "identity", "proxy",
                                            "upstream", "admin",  "discovery", "registry", "store",
                                            "policy",   "ca",     "server",    "api"};
static_assert(std::size(kComponents) == static_cast<size_t>(LogComponent::kCount));

class ToSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ToSink(std::unique_ptr<Log::Sink> lines) : lines_(std::move(lines)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    lines_->Write({message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

  std::unique_ptr<Log::Sink> lines_;
};

int64_t NowNanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string TextLine(LogLevel level, LogComponent component, std::string_view message) {
  std::string line;
  AppendTime(line, {}, NowNanoseconds());
  line += ' ';
  line += NameOf(level);
  line.append(8 - NameOf(level).size(), ' ');
  line += NameOf(component);
  line += ": ";
  // Quotes stay readable: the message is the last field, so only the line end must be protected.
  for (const char c : message) {
    if (c == '"' || c == '\\') {
      line += c;
    } else {
      AppendEscapedText(line, {&c, 1});
    }
  }
  line += '\n';
  return line;
}

std::string JsonLine(LogLevel level, LogComponent component, std::string_view message) {
  std::string line = "{\"time\":\"";
  AppendTime(line, {}, NowNanoseconds());
  line += "\",\"level\":\"";
  line += NameOf(level);
  line += "\",\"component\":\"";
  line += NameOf(component);
  line += "\",\"message\":\"";
  AppendEscapedJson(line, message);
  line += "\"}\n";
  return line;
}

}  // namespace

class Log::Backend {
 public:
  explicit Backend(spdlog::sink_ptr sink) : sink_(std::move(sink)) {
    sink_->set_formatter(
        std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::local, ""));
  }
  void Write(std::string_view line) {
    const spdlog::details::log_msg message(spdlog::string_view_t(), spdlog::level::info,
                                           spdlog::string_view_t(line.data(), line.size()));
    sink_->log(message);
    sink_->flush();
  }

 private:
  spdlog::sink_ptr sink_;
};

Log::Log(LogLevel level, Form form) : form_(form) {
  SetLevel(level);
  backend_ = std::make_unique<Backend>(std::make_shared<spdlog::sinks::stderr_sink_mt>());
}

Log::Log(LogLevel level, Form form, std::unique_ptr<Sink> sink) : form_(form) {
  SetLevel(level);
  backend_ = std::make_unique<Backend>(std::make_shared<ToSink>(std::move(sink)));
}

Log::~Log() = default;

void Log::Write(LogLevel level, LogComponent component, std::string_view message) {
  if (!Enabled(level, component)) return;
  backend_->Write(form_ == Form::kJson ? JsonLine(level, component, message)
                                       : TextLine(level, component, message));
}

void Log::SetLevel(LogLevel level) {
  for (auto& each : levels_) each.store(level, std::memory_order_relaxed);
}

void Log::SetLevel(LogComponent component, LogLevel level) {
  levels_[static_cast<size_t>(component)].store(level, std::memory_order_relaxed);
}

std::string_view NameOf(LogLevel level) { return kLevels[static_cast<size_t>(level)]; }

std::string_view NameOf(LogComponent component) {
  return kComponents[static_cast<size_t>(component)];
}

std::optional<LogLevel> ParseLogLevel(std::string_view name) {
  if (name == "warn") return LogLevel::kWarning;
  if (name == "critical") return LogLevel::kError;
  for (size_t i = 0; i < std::size(kLevels); ++i) {
    if (kLevels[i] == name) return static_cast<LogLevel>(i);
  }
  return std::nullopt;
}

std::optional<LogComponent> ParseLogComponent(std::string_view name) {
  for (size_t i = 0; i < std::size(kComponents); ++i) {
    if (kComponents[i] == name) return static_cast<LogComponent>(i);
  }
  return std::nullopt;
}

}  // namespace tulle::telemetry
