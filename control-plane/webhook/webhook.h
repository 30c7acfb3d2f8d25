// The admission webhooks without their transport: POST /inject adds the sidecar to new pods, and
// POST /validate refuses invalid policies. A request's head and body become an answer, counts and
// lines of the log. The API server shows no client certificate by default, so every caller is
// unknown: the answer is computed from the request and the settings alone, and contains nothing
// that the caller could not compute.
//
// Owner: server::WebhookPort. Thread: the loop's. Source: Kubernetes, Dynamic Admission Control,
// "Webhook request and response".
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "k8s/inject/review.h"
#include "k8s/inject/settings.h"
#include "net/loop/loop.h"
#include "telemetry/log.h"

namespace tulle::webhook {

using inject::kLargestReview;
using inject::Settings;

struct Reply {
  int status = 200;
  std::string body;
  std::string content_type = "text/plain";
};

// Since the start.
struct ReviewCounts {
  uint64_t injected = 0;
  uint64_t refused = 0;  // pods
  uint64_t policies_allowed = 0;
  uint64_t policies_refused = 0;
  uint64_t invalid = 0;                          // of any HTTP status but 200
  std::map<std::string_view, uint64_t> skipped;  // by Skip::label
};

class Webhook {
 public:
  // References outlive this. `mesh_namespace`: whose policies may be for the whole mesh.
  Webhook(loop::Loop& loop, telemetry::Log& log, Settings settings, std::string mesh_namespace)
      : loop_(loop),
        log_(log),
        settings_(std::move(settings)),
        mesh_namespace_(std::move(mesh_namespace)) {}

  // Decides from the head. Nullopt: the body is a review, to be read and passed to Review().
  std::optional<Reply> Refuse(std::string_view method, std::string_view path,
                              std::string_view content_type);
  // `path`: one that Refuse() has let pass.
  Reply Review(std::string_view path, std::string_view body);
  const ReviewCounts& counts() const { return counts_; }

 private:
  std::optional<Reply> CheckHead(std::string_view method, std::string_view path,
                                 std::string_view content_type) const;
  void Count(const inject::ReviewAnswer& answer, bool is_policy);
  // Callers decide how often this happens: at most kMostLines lines in kLinesEvery.
  void Warn(const std::string& text);

  loop::Loop& loop_;
  telemetry::Log& log_;
  const Settings settings_;
  const std::string mesh_namespace_;
  ReviewCounts counts_;
  loop::Instant lines_since_{};
  int lines_ = 0;          // since then
  uint64_t left_out_ = 0;  // lines, since the last one
};

}  // namespace tulle::webhook
