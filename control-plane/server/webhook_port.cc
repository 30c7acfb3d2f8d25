#include "control-plane/server/webhook_port.h"

#include <optional>
#include <string>
#include <utility>

#include "control-plane/kubernetes/names.h"

namespace tulle::server {
namespace {

// An API server keeps a few connections open. Their time is bounded by request, not as guests.
constexpr GuestList::Limits kCallers{128, loop::Duration{0}};
// The webhook's configuration says timeoutSeconds: 5.
constexpr RestLimits kReviews{webhook::kLargestReview, std::chrono::seconds(5)};

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
