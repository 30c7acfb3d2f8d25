#pragma once

#include "sidecar/proxy/ended.h"
#include "telemetry/access_log_format.h"

namespace tulle::proxy {

// What access log formats may ask of a request. Lives during one Append.
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

// The same of a relayed connection; what belongs to HTTP is absent.
class RelayValues final : public telemetry::LogValues {
 public:
  explicit RelayValues(const EndedRelay& relay) : relay_(relay) {}
  std::string_view Value(const telemetry::LogField& field, Scratch scratch) const override;
  int64_t StartNanoseconds() const override;

 private:
  const EndedRelay& relay_;
};

}  // namespace tulle::proxy
