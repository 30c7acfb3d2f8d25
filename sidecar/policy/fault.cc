#include "sidecar/policy/fault.h"

#include <algorithm>
#include <charconv>

#include "sidecar/policy/per_million.h"

namespace tulle::policy {
namespace {

// The whole number in a header; empty: missing or invalid.
std::optional<uint32_t> NumberIn(const http::Head& head, std::string_view name, uint32_t most) {
  const http::Header* header = head.headers.Find(name);
  if (header == nullptr) return std::nullopt;
  uint32_t number = 0;
  const char* end = header->value.data() + header->value.size();
  const auto [at, error] = std::from_chars(header->value.data(), end, number);
  if (error != std::errc() || at != end || number > most) return std::nullopt;
  return number;
}

// As in Envoy, a header may lower the percentage but never raise it.
bool Drawn(const http::Head& head, std::string_view percentage, uint32_t per_million,
           uint64_t random) {
  if (const auto said = NumberIn(head, percentage, 100))
    per_million = std::min(per_million, *said * 10000);
  return IsDrawn(random, per_million);
}

}  // namespace

absl::StatusOr<std::shared_ptr<FaultInjection>> FaultInjection::Compile(FaultSpec spec) {
  auto fault = std::make_shared<FaultInjection>();
  for (const match::HeaderSpec& header : spec.headers) {
    auto match = match::HeaderMatch::Compile(header);
    if (!match.ok()) return match.status();
    fault->headers_.push_back(*std::move(match));
  }
  fault->spec_ = std::move(spec);
  return fault;
}

bool FaultInjection::Matches(const http::Head& head, std::string_view cluster) const {
  if (!spec_.cluster.empty() && spec_.cluster != cluster) return false;
  return std::all_of(headers_.begin(), headers_.end(),
                     [&](const match::HeaderMatch& match) { return match.Matches(head); });
}

std::optional<std::chrono::milliseconds> FaultInjection::DrawDelay(const http::Head& head,
                                                                   uint64_t random) const {
  if (!spec_.delay) return std::nullopt;
  std::chrono::milliseconds wait = spec_.delay->fixed;
  if (spec_.delay->by_header) {
    const auto said = NumberIn(head, "x-envoy-fault-delay-request", 3600 * 1000);
    if (!said) return std::nullopt;
    wait = std::chrono::milliseconds(*said);
  }
  const bool drawn =
      Drawn(head, "x-envoy-fault-delay-request-percentage", spec_.delay->per_million, random);
  if (!drawn || wait.count() == 0) return std::nullopt;
  return wait;
}

std::optional<FaultInjection::Answer> FaultInjection::DrawAbort(const http::Head& head,
                                                                uint64_t random) const {
  if (!spec_.abort) return std::nullopt;
  Answer answer{spec_.abort->status, spec_.abort->grpc_status};
  if (spec_.abort->by_header) {
    const auto status = NumberIn(head, "x-envoy-fault-abort-request", 599);
    const auto grpc = NumberIn(head, "x-envoy-fault-abort-grpc-request", 16);
    if (!grpc && (!status || *status < 200)) return std::nullopt;
    answer = {static_cast<int>(status.value_or(200)), grpc ? static_cast<int>(*grpc) : -1};
  }
  const bool drawn =
      Drawn(head, "x-envoy-fault-abort-request-percentage", spec_.abort->per_million, random);
  return drawn ? std::optional(answer) : std::nullopt;
}

bool FaultInjection::TryEnter() {
  const uint32_t before = active_.fetch_add(1, std::memory_order_relaxed);
  if (!spec_.most_active || before < *spec_.most_active) return true;
  Leave();
  return false;
}

}  // namespace tulle::policy
