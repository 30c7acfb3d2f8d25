#include "telemetry/export/collector_answer.h"

#include <algorithm>
#include <charconv>

#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace tulle::telemetry {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;

constexpr size_t kLongestMessage = 256;
constexpr loop::Duration kLongestWait = std::chrono::minutes(5);

}  // namespace

PartialSuccess PartialSuccessIn(std::string_view response) {
  ExportTraceServiceResponse read;
  if (!read.ParseFromArray(response.data(), static_cast<int>(response.size()))) return {};
  const auto& partial = read.partial_success();
  return {static_cast<uint64_t>(std::max<int64_t>(partial.rejected_spans(), 0)),
          partial.error_message().substr(0, kLongestMessage)};
}

std::optional<loop::Duration> RetryDelayIn(const grpc::Status& status) {
  google::rpc::Status read;
  if (status.details.empty() || !read.ParseFromString(status.details)) return std::nullopt;
  for (const google::protobuf::Any& detail : read.details()) {
    google::rpc::RetryInfo retry;
    if (!detail.UnpackTo(&retry)) continue;
    constexpr int64_t kMost =
        std::chrono::duration_cast<std::chrono::seconds>(kLongestWait).count();
    const int64_t seconds = std::clamp<int64_t>(retry.retry_delay().seconds(), 0, kMost);
    const int32_t nanos = std::clamp(retry.retry_delay().nanos(), 0, 999'999'999);
    return std::min<loop::Duration>(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanos),
                                    kLongestWait);
  }
  return std::nullopt;
}

loop::Duration RetryAfter(std::string_view text, std::chrono::system_clock::time_point now) {
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) {
    absl::Time at;
    if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", {text.data(), text.size()}, &at, nullptr))
      return {};
    seconds = absl::ToInt64Seconds(at - absl::FromChrono(now));
  }
  return std::clamp<loop::Duration>(std::chrono::seconds(std::clamp<int64_t>(seconds, 0, 86400)),
                                    loop::Duration(0), kLongestWait);
}

}  // namespace tulle::telemetry
