// `tullectl explain ID`: what each sidecar decided about one request, what ended it, and what to
// change.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/request_report.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/diagnosis/explanation.h"
#include "control-plane/diagnosis/request_text.h"

namespace tulle::cli {
namespace {

using diagnosis::ConsideredIn;
using diagnosis::Hop;
using diagnosis::HopLines;
using diagnosis::HopTitle;
using diagnosis::InnerOf;
using diagnosis::MicrosTime;
using diagnosis::MissingIn;
using diagnosis::OrderedHops;
using diagnosis::ResultOf;
using diagnosis::TimeOf;
using diagnosis::TitleOf;
using diagnosis::VerdictOn;

constexpr size_t kMostConsidered = 8;  // of a hop, unless -o wide

void PrintHop(Session& session, const std::vector<Hop>& hops, size_t index) {
  const Hop& hop = hops[index];
  const size_t indent = 2 * std::min<size_t>(hop.depth, 8);
  session.out() << "\n"
                << std::string(indent, ' ') << index + 1 << ". " << HopTitle(hop.record) << "\n";
  for (const auto& [name, text] : HopLines(hop.record, InnerOf(hops, index)))
    PrintNamed(session, indent + 3, name, text);
  const bool is_wide = session.invocation.format == Format::kWide;
  const std::vector<std::string> considered = ConsideredIn(hop.record, is_wide);
  const size_t most = is_wide ? SIZE_MAX : kMostConsidered;
  for (size_t i = 0; i < std::min(considered.size(), most); ++i)
    PrintNamed(session, indent + 3, i == 0 ? "decided" : "", considered[i]);
  if (considered.size() > most) {
    PrintNamed(session, indent + 3, "",
               absl::StrCat("and ", considered.size() - most, " more: -o wide"));
  }
}

void PrintExplanation(Session& session, const std::vector<Hop>& hops) {
  const Json& first = hops.front().record;
  session.out() << TitleOf(hops) << "\n";
  PrintNamed(session, 0, "Request", TextAt(first, "/requestId"));
  if (const std::string trace = TextAt(first, "/traceId"); !trace.empty())
    PrintNamed(session, 0, "Trace", trace + "  (tullectl trace " + ShellWord(trace) + ")");
  PrintNamed(session, 0, "Began", MicrosTime(NumberAt(first, "/startedMicros")));
  PrintNamed(session, 0, "Took", TimeOf(hops));
  for (size_t i = 0; i < hops.size(); ++i) PrintHop(session, hops, i);
  const std::vector<std::string> missing = MissingIn(hops);
  for (const std::string& one : missing)
    PrintNamed(session, 0, "Missing", "the record of " + one + ": it may be overwritten");
  const diagnosis::Verdict verdict = VerdictOn(hops);
  PrintVerdict(session, verdict, ResultOf(hops, verdict));
  if (verdict.hop < 0 && !missing.empty()) {
    PrintNamed(session, 0, "Next step",
               "repeat the request and explain it within seconds: a worker keeps its last 4,096 "
               "requests, and the last 512 that failed or were retried");
  }
}

}  // namespace

void WarnUnanswered(Session& session, const Json& reply) {
  const int64_t asked = NumberAt(reply, "/asked");
  const int64_t answered = NumberAt(reply, "/answered");
  if (answered >= asked) return;
  session.err() << "warning: " << asked - answered << " of " << asked
                << " sidecars did not answer: requests may be missing\n";
}

absl::StatusOr<int> ExplainRequest(Session& session) {
  const std::string& id = session.invocation.name;
  const auto reply =
      session.Get("/v1/requests", {{"id", id}, {"limit", std::string(diagnosis::kMostHops)}});
  if (!reply.ok()) return reply.status();
  const std::vector<Hop> hops = OrderedHops(PartAt(*reply, "/requests"));
  if (hops.empty()) {
    const diagnosis::Unknown unknown = diagnosis::UnknownRequest(id, *reply);
    return UserError(unknown.error, unknown.hint);
  }
  WarnUnanswered(session, *reply);
  if (session.wants_json()) {
    PrintJson(diagnosis::ExplanationOf(*reply), session.invocation.format, session.out());
  } else {
    PrintExplanation(session, hops);
  }
  return 0;
}

}  // namespace tulle::cli
