#include "control-plane/server/webhook_port.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "control-plane/kubernetes/names.h"

namespace tulle::server {
namespace {

// An API server asks about up to 200 objects at once (--max-mutating-requests-inflight), each on a
// connection of its own, as when a Deployment is scaled up. The time of connections is bounded by
// request, not as guests.
constexpr GuestList::Limits kCallers{1024, loop::Duration{0}};
// The webhook's configuration says timeoutSeconds: 5.
// Anyone may ask, so that kCallers is the limit of connections.
constexpr RestLimits kReviews{.body_bytes = webhook::kLargestReview,
                              .body_time = std::chrono::seconds(5),
                              .queue = {.most = 1024, .most_of_one = 512},
                              .most_identified = SIZE_MAX};

RestAnswer ToAnswer(webhook::Reply reply) {
  return {reply.status, std::move(reply.body), std::move(reply.content_type)};
}

}  // namespace

WebhookPort::WebhookPort(loop::Loop& loop, telemetry::Log& log, const webhook::Settings& settings)
    : webhook_(loop, log, settings, kubernetes::kControlNamespace),
      door_("webhook", loop, log, kCallers,
            [this](std::unique_ptr<GuestTransport> guest) {
              server_.Adopt(std::move(guest), nullptr);
            }),
      server_(
          loop,
          [this](const api::ApiRequest& head) {
            auto refusal = webhook_.Refuse(head.method, head.path, head.content_type);
            if (refusal) return RestVerdict{ToAnswer(*std::move(refusal))};
            return RestVerdict{std::nullopt, /*is_identified=*/true};
          },
          [this](const api::ApiRequest& request) {
            return ToAnswer(webhook_.Review(request.path, request.body));
          },
          kReviews) {}

}  // namespace tulle::server
