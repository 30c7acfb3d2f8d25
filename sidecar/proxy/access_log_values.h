#pragma once

#include <chrono>

#include "sidecar/proxy/ended.h"
#include "sidecar/proxy/services.h"
#include "telemetry/access_log_format.h"

namespace tulle::proxy {

// The values of a request for access log formats. Lives during one Append.
class RequestValues final : public telemetry::LogValues {
 public:
  explicit RequestValues(const EndedRequest& request) : request_(request) {}
  std::string_view Value(const telemetry::LogField& field, Scratch scratch) const override;
  int64_t StartNanoseconds() const override;

 private:
  std::string_view Head(const telemetry::LogField& field, Scratch scratch) const;
  std::string_view Outcome(const telemetry::LogField& field, Scratch scratch) const;
  std::string_view RequestHeader(std::string_view name) const;
  std::string_view ResponseHeader(std::string_view name, Scratch scratch) const;
  std::string_view Details(Scratch scratch) const;

  const EndedRequest& request_;
};

// The same for a relayed connection; fields of HTTP are empty.
class RelayValues final : public telemetry::LogValues {
 public:
  explicit RelayValues(const EndedRelay& relay) : relay_(relay) {}
  std::string_view Value(const telemetry::LogField& field, Scratch scratch) const override;
  int64_t StartNanoseconds() const override;

 private:
  const EndedRelay& relay_;
};

// The same for a connection that no filter chain matched.
class UnmatchedValues final : public telemetry::LogValues {
 public:
  UnmatchedValues(const UnmatchedConnection& connection, std::chrono::system_clock::time_point at)
      : connection_(connection), at_(at) {}
  std::string_view Value(const telemetry::LogField& field, Scratch scratch) const override;
  int64_t StartNanoseconds() const override;

 private:
  const UnmatchedConnection& connection_;
  const std::chrono::system_clock::time_point at_;
};

// The same for a connection that we ended because of its peer.
class BrokenValues final : public telemetry::LogValues {
 public:
  BrokenValues(const BrokenConnection& connection, std::chrono::system_clock::time_point at)
      : connection_(connection), at_(at) {}
  std::string_view Value(const telemetry::LogField& field, Scratch scratch) const override;
  int64_t StartNanoseconds() const override;

 private:
  const BrokenConnection& connection_;
  const std::chrono::system_clock::time_point at_;
};

}  // namespace tulle::proxy
