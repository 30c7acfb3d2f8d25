#include "sidecar/insight/what_if.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace tulle::sidecar {
namespace {

constexpr int kErrors = 400;  // of the sidecar's own answers
constexpr size_t kLongestMethod = 32;
constexpr size_t kLongestAuthority = 255;
constexpr size_t kLongestPath = 8 * 1024;
constexpr int kMostHeaders = 50;
constexpr size_t kLongestHeader = 4 * 1024;

// RFC 9110 5.6.2.
bool IsToken(const std::string& text, size_t longest) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && text.size() <= longest &&
         std::all_of(text.begin(), text.end(), [&](unsigned char c) {
           return absl::ascii_isalnum(c) || kOthers.find(static_cast<char>(c)) != kOthers.npos;
         });
}

// Of a header's value, RFC 9110 5.5, and of a path; blanks only in the former.
bool IsText(const std::string& text, size_t longest, bool has_blanks) {
  return text.size() <= longest && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
           return c > ' ' ? c != 0x7f : has_blanks && (c == ' ' || c == '\t');
         });
}

absl::Status Invalid(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("invalid ", std::string(what)));
}

absl::Status ReadHeaders(const insight::v1::WhatIf& question, proxy::RehearsedRequest* request) {
  if (question.headers_size() > kMostHeaders) return Invalid("headers: more than 50");
  for (const insight::v1::Header& header : question.headers()) {
    if (!IsToken(header.name(), kLongestHeader)) return Invalid("header name");
    if (!IsText(header.value(), kLongestHeader, true))
      return Invalid("value of header " + header.name());
    request->headers.emplace_back(absl::AsciiStrToLower(header.name()), header.value());
  }
  return absl::OkStatus();
}

absl::Status ReadAddresses(const insight::v1::WhatIf& question, proxy::RehearsedRequest* request) {
  if (question.port() > UINT16_MAX) return Invalid("port");
  const auto port = static_cast<uint16_t>(question.port());
  request->destination = SocketAddress::Any4(port);
  if (request->direction == config::Direction::kOutbound) request->destination = {};
  if (!question.destination().empty()) {
    const auto destination = SocketAddress::ParseWithPort(question.destination());
    if (!destination) return Invalid("destination: must be ADDRESS:PORT");
    request->destination = *destination;
  }
  if (question.source_address().empty()) return absl::OkStatus();
  const auto source = SocketAddress::Parse(question.source_address(), 0);
  if (!source) return Invalid("source_address: must be an IP address");
  request->source = *source;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<proxy::RehearsedRequest> RequestOf(const insight::v1::WhatIf& question) {
  proxy::RehearsedRequest request;
  request.direction =
      question.outbound() ? config::Direction::kOutbound : config::Direction::kInbound;
  request.method = question.method();
  request.authority = question.authority();
  request.path = question.path();
  request.source_id = question.source();
  if (!IsToken(request.method, kLongestMethod)) return Invalid("method");
  if (request.authority.empty() || !IsText(request.authority, kLongestAuthority, false))
    return Invalid("authority");
  if (!request.path.starts_with('/') || !IsText(request.path, kLongestPath, false))
    return Invalid("path: must begin with /");
  if (request.method == "CONNECT") return Invalid("method: a tunnel cannot be asked about");
  if (absl::Status read = ReadHeaders(question, &request); !read.ok()) return read;
  if (absl::Status read = ReadAddresses(question, &request); !read.ok()) return read;
  return request;
}

insight::v1::RequestRecord RecordOf(const proxy::RehearsedRequest& request,
                                    const proxy::RehearsalOutcome& outcome) {
  insight::v1::RequestRecord record;
  record.set_outbound(request.direction == config::Direction::kOutbound);
  record.set_method(request.method);
  record.set_authority(outcome.authority.empty() ? request.authority : outcome.authority);
  const std::string& path = outcome.path.empty() ? request.path : outcome.path;
  record.set_path(path.substr(0, path.find('?')));
  record.set_status(static_cast<uint32_t>(outcome.status));
  record.set_failed(outcome.failure || outcome.status >= kErrors);
  if (outcome.failure) {
    record.set_cause(std::string(outcome.failure.facts().cause));
    record.set_response_flags(std::string(outcome.failure.facts().flag));
    record.set_detail(outcome.failure.detail);
  }
  if (outcome.is_connection_closed) {
    record.set_response_flags("");
    record.set_detail("the connection is closed without an answer");
  }
  record.set_source(request.source_id);
  if (request.source.is_set()) record.set_source_address(request.source.host());
  record.set_mutual_tls(!request.source_id.empty());
  record.set_service(outcome.service);
  record.set_route(outcome.route);
  record.set_cluster(outcome.cluster);
  record.set_policy(outcome.policy);
  for (const proxy::KeptDecision& one : outcome.decisions) {
    insight::v1::Decision& decision = *record.add_decisions();
    decision.set_kind(std::string(TextOf(one.kind)));
    decision.set_subject(one.subject);
    decision.set_positive(one.positive);
    decision.set_reason(one.reason);
  }
  return record;
}

}  // namespace tulle::sidecar
