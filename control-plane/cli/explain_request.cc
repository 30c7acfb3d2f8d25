// `tullectl explain ID`: what each sidecar decided about one request, what ended it, and what to
// change.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/ending.h"
#include "control-plane/cli/request_report.h"
#include "control-plane/cli/request_text.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr size_t kMostConsidered = 8;  // of a hop, unless -o wide
constexpr char kMostHops[] = "200";

const Json* InnerOf(const std::vector<Hop>& hops, size_t of) {
  for (const Hop& hop : hops) {
    if (hop.parent == static_cast<int>(of)) return &hop.record;
  }
  return nullptr;
}

void PrintHop(Session& session, const std::vector<Hop>& hops, size_t index) {
  const Hop& hop = hops[index];
  const size_t indent = 2 * std::min<size_t>(hop.depth, 8);
  session.out() << "\n"
                << std::string(indent, ' ') << index + 1 << ". " << HopTitle(hop.record) << "\n";
  for (const auto& [name, text] : HopLines(hop.record, InnerOf(hops, index)))
    PrintNamed(session, indent + 3, name, text);
  const std::vector<std::string> considered = ConsideredIn(hop.record);
  const size_t most = session.invocation.format == Format::kWide ? SIZE_MAX : kMostConsidered;
  for (size_t i = 0; i < std::min(considered.size(), most); ++i)
    PrintNamed(session, indent + 3, i == 0 ? "decided" : "", considered[i]);
  if (considered.size() > most) {
    PrintNamed(session, indent + 3, "",
               absl::StrCat("and ", considered.size() - most, " more: -o wide"));
  }
}

void PrintExplanation(Session& session, const std::vector<Hop>& hops) {
  const Json& first = hops.front().record;
  session.out() << TextAt(first, "/method") << " " << TextAt(first, "/authority")
                << TextAt(first, "/path") << ": " << HopOutcome(first) << "\n";
  PrintNamed(session, 0, "Request", TextAt(first, "/requestId"));
  if (const std::string trace = TextAt(first, "/traceId"); !trace.empty())
    PrintNamed(session, 0, "Trace", trace + "  (tullectl trace " + ShellWord(trace) + ")");
  PrintNamed(session, 0, "Began", MicrosTime(NumberAt(first, "/startedMicros")));
  PrintNamed(session, 0, "Took", TimeOf(hops));
  for (size_t i = 0; i < hops.size(); ++i) PrintHop(session, hops, i);
  const std::vector<std::string> missing = MissingIn(hops);
  for (const std::string& one : missing)
    PrintNamed(session, 0, "Missing", "the record of " + one + ": it may be overwritten");
  PrintEnding(session, EndingOf(hops),
              missing.empty() ? "no sidecar recorded a failure"
                              : "unknown: the record of a sidecar that decided may be missing");
}

Json ExplanationJson(const std::vector<Hop>& hops, const Json& reply) {
  Json json = {{"hops", Json::array()},
               {"asked", NumberAt(reply, "/asked")},
               {"answered", NumberAt(reply, "/answered")}};
  for (const Hop& hop : hops) {
    Json each = hop.record;
    each["depth"] = hop.depth;
    json["hops"].push_back(std::move(each));
  }
  for (const std::string& one : MissingIn(hops)) json["missing"].push_back(one);
  const Ending ending = EndingOf(hops);
  if (ending.hop < 0) return json;
  json["verdict"] = {{"hop", ending.hop},         {"cause", ending.cause},
                     {"meaning", ending.meaning}, {"nextStep", ending.next_step},
                     {"field", ending.field},     {"policy", ending.policy},
                     {"command", ending.command}};
  return json;
}

absl::Status UnknownRequest(const std::string& id, const Json& reply) {
  const int64_t asked = NumberAt(reply, "/asked");
  const int64_t answered = NumberAt(reply, "/answered");
  std::string hint =
      "a sidecar keeps its last 4,096 requests of each worker: try again with a newer one, "
      "or list failures with `tullectl errors`. The ID is x-request-id, or that of a trace";
  if (answered < asked) {
    hint = absl::StrCat(asked - answered, " of ", asked,
                        " sidecars did not answer: see `tullectl status`; those of an older "
                        "version cannot");
  }
  return UserError("no sidecar knows a request \"" + id + "\"", hint);
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
  const auto reply = session.Get("/v1/requests", {{"id", id}, {"limit", kMostHops}});
  if (!reply.ok()) return reply.status();
  const std::vector<Hop> hops = OrderedHops(PartAt(*reply, "/requests"));
  if (hops.empty()) return UnknownRequest(id, *reply);
  WarnUnanswered(session, *reply);
  if (session.wants_json()) {
    PrintJson(ExplanationJson(hops, *reply), session.invocation.format, session.out());
  } else {
    PrintExplanation(session, hops);
  }
  return 0;
}

}  // namespace tulle::cli
