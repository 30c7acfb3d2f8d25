#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tulle::telemetry {

enum class LogLevel : uint8_t { kTrace, kDebug, kInfo, kWarning, kError, kOff };

std::string_view NameOf(LogLevel level);
// "trace" "debug" "info" "warning" (or "warn") "error" "off"; "critical" is treated as error.
std::optional<LogLevel> ParseLogLevel(std::string_view name);

// The components whose log levels can be set separately.
enum class LogComponent : uint8_t {
  kMain,
  kConfig,
  kXds,
  kIdentity,
  kProxy,
  kUpstream,
  kAdmin,
  kDiscovery,
  kRegistry,
  kStore,
  kPolicy,
  kCa,
  kServer,
  kApi,
  kCount,
};

std::string_view NameOf(LogComponent component);
std::optional<LogComponent> ParseLogComponent(std::string_view name);

// The log of the process itself: one line per event, on stderr, as text or JSON.
//
// 2026-01-31T10:00:33.031Z info  xds  connected to 127.0.0.1:15012
//
// Owner: the composition root. Thread: any. It may block on a slow stderr, so workers do not log
// per request. Never pass it a private key, a token or another secret; text sent by a peer is
// escaped here.
class Log {
 public:
  enum class Form : uint8_t { kText, kJson };
  // The destination of finished lines; each includes its newline.
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void Write(std::string_view line) = 0;
  };

  // To stderr.
  Log(LogLevel level, Form form);
  // To `sink`, whose Write is called under a lock.
  Log(LogLevel level, Form form, std::unique_ptr<Sink> sink);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool Enabled(LogLevel level, LogComponent component) const {
    return level >= levels_[static_cast<size_t>(component)].load(std::memory_order_relaxed);
  }
  void Write(LogLevel level, LogComponent component, std::string_view message);

  void SetLevel(LogLevel level);
  void SetLevel(LogComponent component, LogLevel level);
  LogLevel level(LogComponent component) const {
    return levels_[static_cast<size_t>(component)].load(std::memory_order_relaxed);
  }

 private:
  class Backend;

  const Form form_;
  std::array<std::atomic<LogLevel>, static_cast<size_t>(LogComponent::kCount)> levels_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace tulle::telemetry
