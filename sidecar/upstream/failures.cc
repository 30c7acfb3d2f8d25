#include "sidecar/upstream/failures.h"

namespace tulle::upstream {
namespace facts {
namespace {

constexpr auto kHere = FailureOrigin::kLocal;
constexpr auto kNo = Processed::kNo;

// Status codes, flags and details as Envoy gives them, so that dashboards and runbooks carry over;
// BO is ours: Envoy reports no healthy upstream when all hosts are ejected.
constexpr FailureFacts kNoHealthyEndpoint{
    kHere, 503, 14, kNo, "UH", "no_healthy_endpoint", "no healthy upstream", "no_healthy_upstream"};
constexpr FailureFacts kBreakerOpen{kHere,
                                    503,
                                    14,
                                    kNo,
                                    "BO",
                                    "breaker_open",
                                    "upstream not available: circuit breaker open after failures",
                                    "circuit_breaker_open"};
constexpr FailureFacts kOverflow{
    kHere,
    503,
    14,
    kNo,
    "UO",
    "overflow",
    "upstream connect error or disconnect/reset before headers. reset reason: overflow",
    "upstream_reset_before_response_started{overflow}"};

}  // namespace
}  // namespace facts

constinit const FailureKind failures::kNoHealthyEndpoint(facts::kNoHealthyEndpoint);
constinit const FailureKind failures::kBreakerOpen(facts::kBreakerOpen);
constinit const FailureKind failures::kOverflow(facts::kOverflow);

}  // namespace tulle::upstream
