// Converts active health checks.
#include "sidecar/config/health_check_config.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "sidecar/config/values.h"

namespace tulle::config {
namespace {

using envoy::config::core::v3::HealthCheck;
using upstream::HealthCheckSpec;

template <typename Headers>
void ReadHeaders(const Headers& options, HealthCheckSpec& check) {
  for (const auto& option : options) {
    check.headers.emplace_back(absl::AsciiStrToLower(option.header().key()),
                               option.header().value());
  }
}

absl::Status ReadHttp(const HealthCheck::HttpHealthCheck& http, const FieldPath& at,
                      HealthCheckSpec& check) {
  check.kind = HealthCheckSpec::Kind::kHttp;
  check.host = http.host();
  check.path = http.path();
  if (check.path.empty() || check.path[0] != '/' ||
      check.path.find_first_of(" \r\n\t") != std::string::npos) {
    return (at / "path").Error("must begin with / and must not contain blanks");
  }
  for (const auto& range : http.expected_statuses()) {
    if (range.start() < 100 || range.end() > 600 || range.start() >= range.end()) {
      return (at / "expected_statuses").Error("must be ranges within 100 and 600");
    }
    check.expected_statuses.emplace_back(range.start(), range.end());
  }
  ReadHeaders(http.request_headers_to_add(), check);
  return absl::OkStatus();
}

// In hexadecimal, or raw bytes.
absl::StatusOr<std::string> ToBytes(const HealthCheck::Payload& payload, const FieldPath& at) {
  if (payload.payload_case() == HealthCheck::Payload::kBinary) return payload.binary();
  const bool is_hex =
      payload.text().size() % 2 == 0 &&
      payload.text().find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  if (!is_hex || payload.text().empty()) {
    return (at / "text").Error("must be bytes in hexadecimal, like 50494e47");
  }
  return std::string(absl::HexStringToBytes(payload.text()));
}

absl::Status ReadTcp(const HealthCheck::TcpHealthCheck& tcp, const FieldPath& at,
                     HealthCheckSpec& check) {
  check.kind = HealthCheckSpec::Kind::kTcp;
  if (tcp.has_send()) {
    auto bytes = ToBytes(tcp.send(), at / "send");
    if (!bytes.ok()) return bytes.status();
    check.send = *std::move(bytes);
  }
  for (const auto& payload : tcp.receive()) {
    auto bytes = ToBytes(payload, at / "receive");
    if (!bytes.ok()) return bytes.status();
    check.receive.push_back(*std::move(bytes));
  }
  return absl::OkStatus();
}

absl::Status ReadTimes(const HealthCheck& message, const FieldPath& at, HealthCheckSpec& check) {
  if (!message.has_timeout()) return (at / "timeout").Error("is required");
  if (!message.has_interval()) return (at / "interval").Error("is required");
  TULLE_READ_MILLISECONDS(message, timeout, at, check.timeout);
  TULLE_READ_MILLISECONDS(message, interval, at, check.interval);
  TULLE_READ_MILLISECONDS(message, unhealthy_interval, at, check.unhealthy_interval);
  TULLE_READ_MILLISECONDS(message, no_traffic_interval, at, check.no_traffic_interval);
  TULLE_READ_MILLISECONDS(message, interval_jitter, at, check.jitter);
  if (check.timeout.count() == 0) return (at / "timeout").Error("must be greater than 0");
  if (check.interval.count() == 0) return (at / "interval").Error("must be greater than 0");
  if (check.no_traffic_interval.count() == 0) {
    return (at / "no_traffic_interval").Error("must be greater than 0");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadHealthChecks(const envoy::config::cluster::v3::Cluster& cluster,
                              const FieldPath& at, upstream::ClusterSpec& spec) {
  if (cluster.health_checks().empty()) return absl::OkStatus();
  if (cluster.health_checks_size() > 1) {
    return (at / "health_checks").Error("only one entry is implemented");
  }
  const HealthCheck& message = cluster.health_checks(0);
  const FieldPath here = (at / "health_checks")[size_t{0}];
  HealthCheckSpec check;
  if (auto status = ReadTimes(message, here, check); !status.ok()) return status;
  check.unhealthy_threshold = message.unhealthy_threshold().value();
  check.healthy_threshold = message.healthy_threshold().value();
  if (check.unhealthy_threshold == 0) {
    return (here / "unhealthy_threshold").Error("must be at least 1");
  }
  if (check.healthy_threshold == 0) {
    return (here / "healthy_threshold").Error("must be at least 1");
  }
  if (message.has_reuse_connection()) check.reuse_connection = message.reuse_connection().value();
  absl::Status status;
  if (message.has_http_health_check()) {
    status = ReadHttp(message.http_health_check(), here / "http_health_check", check);
  } else if (message.has_tcp_health_check()) {
    status = ReadTcp(message.tcp_health_check(), here / "tcp_health_check", check);
  } else if (message.has_grpc_health_check()) {
    check.kind = HealthCheckSpec::Kind::kGrpc;
    check.service = message.grpc_health_check().service_name();
    check.host = message.grpc_health_check().authority();
    ReadHeaders(message.grpc_health_check().initial_metadata(), check);
  } else {
    status = here.Error("needs http_health_check, tcp_health_check or grpc_health_check");
  }
  if (status.ok()) spec.health_checks.push_back(std::move(check));
  return status;
}

}  // namespace tulle::config
