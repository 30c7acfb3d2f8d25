#include "sidecar/recorder/record_message.h"

#include <algorithm>
#include <string>

namespace tulle::recorder {
namespace {

using insight::v1::RequestRecord;

constexpr uint64_t Micros(uint64_t nanoseconds) { return (nanoseconds + 999) / 1000; }

std::string FlagsOf(const Record& record) {
  std::string flags;
  const auto add = [&flags](std::string_view flag) {
    if (flag.empty() || flag == "-") return;
    if (!flags.empty()) flags += ',';
    flags += flag;
  };
  if (record.Has(kDelayInjected)) add("DI");
  add(record[Text::kFlag]);
  if (record.Has(kRetriesExhausted)) add("URX");
  return Printable(flags);
}

void SetTexts(const Record& record, const Surroundings& surroundings, RequestRecord& message) {
  const auto text = [&record](Text one) { return Printable(record[one]); };
  message.set_request_id(text(Text::kRequestId));
  message.set_trace_id(text(Text::kTraceId));
  message.set_method(text(Text::kMethod));
  message.set_authority(text(Text::kAuthority));
  message.set_path(text(Text::kPath));
  message.set_response_flags(FlagsOf(record));
  message.set_cause(text(Text::kCause));
  message.set_detail(text(Text::kDetail));
  message.set_service(text(Text::kService));
  message.set_route(text(Text::kRoute));
  message.set_cluster(text(Text::kCluster));
  message.set_policy(text(Text::kPolicy));
  message.set_source(text(Text::kSource));
  message.set_destination(text(Text::kDestination));
  if (record.Has(kOutbound)) {
    if (message.source().empty()) message.set_source(Printable(surroundings.own));
  } else if (message.destination().empty()) {
    message.set_destination(Printable(surroundings.own));
  }
  message.set_configuration(Printable(surroundings.configuration));
}

void SetNumbers(const Record& record, RequestRecord& message) {
  const Numbers& numbers = record.numbers();
  message.set_outbound(record.Has(kOutbound));
  message.set_mutual_tls(record.Has(kMutualTls));
  message.set_failed(record.Has(kFailed));
  message.set_started_micros(numbers.wall_started / 1000);
  message.set_status(numbers.status);
  if (numbers.grpc_status >= 0) message.set_grpc_status(static_cast<uint32_t>(numbers.grpc_status));
  message.set_source_address(record.source_address());
  message.set_endpoint(record.endpoint());
  message.set_attempts(numbers.attempts);
  message.set_retries_exhausted(record.Has(kRetriesExhausted));
  message.set_retry_budget_exhausted(record.Has(kRetryBudgetExhausted));
  message.set_delay_injected(record.Has(kDelayInjected));
  message.set_request_ended(Micros(numbers.request_ended));
  message.set_upstream_asked(Micros(numbers.upstream_asked));
  message.set_upstream_answered(Micros(numbers.upstream_answered));
  message.set_ended(Micros(numbers.ended));
  message.set_request_bytes(numbers.request_bytes);
  message.set_response_bytes(numbers.response_bytes);
  message.set_configured_micros(numbers.configured / 1000);
}

void SetDecisions(const Explanation& explanation, RequestRecord& message) {
  for (const Decision& decision : explanation.decisions()) {
    insight::v1::Decision& one = *message.add_decisions();
    one.set_kind(std::string(TextOf(decision.kind)));
    one.set_subject(Printable(decision.subject));
    one.set_positive(decision.positive);
    one.set_reason(Printable(ReasonInWords(decision)));
  }
  message.set_decisions_left_out(explanation.left_out());
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable(text);
  std::replace_if(
      printable.begin(), printable.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return printable;
}

RequestRecord MessageOf(const Record& record, const Explanation* explanation,
                        const Surroundings& surroundings) {
  RequestRecord message;
  SetTexts(record, surroundings, message);
  SetNumbers(record, message);
  if (explanation != nullptr) SetDecisions(*explanation, message);
  return message;
}

RequestRecord MessageOf(const Ring& ring, const Record& record, const Explanation* explanation,
                        const std::string& own) {
  Surroundings surroundings{ring.own(), ring.ConfigurationSince(record.numbers().configured)};
  if (surroundings.own.empty()) surroundings.own = own;
  return MessageOf(record, explanation, surroundings);
}

}  // namespace tulle::recorder
