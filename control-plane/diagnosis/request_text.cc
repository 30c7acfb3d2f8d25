#include "control-plane/diagnosis/request_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace tulle::diagnosis {
namespace {

bool IsOfCaller(const Json& record) { return TrueAt(record, "/outbound"); }

std::string Or(std::string text, const char* otherwise) { return text.empty() ? otherwise : text; }

std::string CallerIn(const Json& record) {
  const std::string caller = ShortWorkload(TextAt(record, "/source"));
  if (!caller.empty()) return caller;
  return "a caller without a certificate";
}

std::string ServiceIn(const Json& record) {
  const std::string service = ShortService(TextAt(record, "/service"));
  return service.empty() ? Or(TextAt(record, "/authority"), "an unknown host") : service;
}

void AddUnlessEmpty(const char* name, const std::string& text, HopRows* lines) {
  if (!text.empty()) lines->emplace_back(name, text);
}

std::string RouteOf(const Json& record) {
  const std::string route = TextAt(record, "/route");
  const std::string cluster = TextAt(record, "/cluster");
  if (route.empty() && cluster.empty()) return "";
  return Or(route, "unnamed") + (cluster.empty() ? "" : " -> " + cluster);
}

// What took no microsecond counts as 0.
bool WasSentOn(const Json& record) {
  return NumberAt(record, "/upstreamAsked") > 0 || NumberAt(record, "/upstreamAnswered") > 0;
}

std::string EndpointOf(const Json& record) {
  const std::string endpoint = TextAt(record, "/endpoint");
  if (endpoint.empty()) return "";
  if (!IsOfCaller(record)) return endpoint + " (the application)";
  const std::string workload = ShortWorkload(TextAt(record, "/destination"));
  const std::string who = workload.empty() ? endpoint : endpoint + " (" + workload + ")";
  if (TrueAt(record, "/mutualTls")) return who + ", mutual TLS";
  // Without a connection nothing is known of it.
  return who + (WasSentOn(record) ? ", plaintext" : ", not connected");
}

std::string AttemptsOf(const Json& record) {
  std::string text = TextAt(record, "/attempts");
  const Owner owner = OwnerOf(record, "retries");
  if (TrueAt(record, "/retriesExhausted")) {
    text +=
        owner.policy.empty() ? ", all that are allowed" : ", all that " + owner.policy + " allows";
  }
  if (TrueAt(record, "/retryBudgetExhausted"))
    text += ", and no more: the retry budget was used up";
  return text;
}

// From the start to sending it on, then to the head of the answer, then to the end.
std::string PhasesOf(const Json& record, const Json* inner) {
  const int64_t asked = NumberAt(record, "/upstreamAsked");
  const int64_t answered = NumberAt(record, "/upstreamAnswered");
  const int64_t ended = NumberAt(record, "/ended");
  std::string text = MicrosText(ended);
  if (IsTcp(record)) return TextAt(record, "/endpoint").empty() ? text + ", not connected" : text;
  if (!WasSentOn(record)) return text + ", not forwarded";
  absl::StrAppend(&text, ": ", MicrosText(asked), " until it was forwarded");
  if (answered == 0) return text + ", no response began";
  absl::StrAppend(&text, ", ", MicrosText(std::max<int64_t>(answered - asked, 0)),
                  " until the response began");
  if (IsOfCaller(record) && inner != nullptr) {
    absl::StrAppend(&text, " (", MicrosText(NumberAt(*inner, "/ended")),
                    " at the sidecar of the service)");
  }
  return text + ", " + MicrosText(std::max<int64_t>(ended - answered, 0)) + " until it ended";
}

// Of a failure, and of what came soon after a change: whether the one may be the other's cause.
std::string InForceSince(const Json& record) {
  constexpr int64_t kSoon = 60'000'000;
  const int64_t since = NumberAt(record, "/configuredMicros");
  const int64_t age = NumberAt(record, "/startedMicros") - since;
  if (since == 0) return "";
  if (age < 0) return "changed while the request ran, at " + MicrosTime(since);
  const std::string text = "in force since " + MicrosTime(since);
  if (age <= kSoon) return text + ", " + MicrosText(age) + " before the request";
  return TextAt(record, "/cause").empty() ? "" : text;
}

}  // namespace

bool IsTcp(const Json& record) { return TextAt(record, "/method") == "TCP"; }

std::string HopTitle(const Json& record) {
  if (IsOfCaller(record)) return CallerIn(record) + " calls " + ServiceIn(record);
  const std::string self = ShortWorkload(TextAt(record, "/destination"));
  return Or(self, "the service") + " is called by " + CallerIn(record);
}

std::string HopOutcome(const Json& record) {
  const int64_t status = NumberAt(record, "/status");
  std::string text = status == 0 ? "no response" : std::to_string(status);
  if (IsTcp(record)) text = "closed";
  if (record.contains("grpcStatus")) text += ", gRPC status " + TextAt(record, "/grpcStatus");
  const std::string flags = TextAt(record, "/responseFlags");
  if (!flags.empty() && flags != "-") text += " " + flags;
  const std::string cause = TextAt(record, "/cause");
  return cause.empty() ? text : text + " " + cause;
}

HopRows HopLines(const Json& record, const Json* inner) {
  HopRows lines;
  AddUnlessEmpty("sidecar", TextAt(record, "/proxy"), &lines);
  AddUnlessEmpty(
      "request",
      TextAt(record, "/method") + " " + TextAt(record, "/authority") + TextAt(record, "/path"),
      &lines);
  if (!IsOfCaller(record)) {
    lines.emplace_back(
        "caller", CallerIn(record) +
                      (TrueAt(record, "/mutualTls") ? ", mutual TLS" : ", plaintext") + ", from " +
                      Or(TextAt(record, "/sourceAddress"), "unknown"));
  }
  const std::string cause = TextAt(record, "/cause");
  AddUnlessEmpty(cause == "denied" || cause == "plaintext_refused" ? "denied by" : "allowed by",
                 PolicyText(TextAt(record, "/policy")), &lines);
  AddUnlessEmpty("route", RouteOf(record), &lines);
  AddUnlessEmpty("endpoint", EndpointOf(record), &lines);
  if (NumberAt(record, "/attempts") > 1 || TrueAt(record, "/retryBudgetExhausted"))
    lines.emplace_back("attempts", AttemptsOf(record));
  if (TrueAt(record, "/delayInjected")) lines.emplace_back("fault", "a delay was injected");
  lines.emplace_back("time", PhasesOf(record, inner));
  lines.emplace_back("outcome", HopOutcome(record));
  AddUnlessEmpty("detail", TextAt(record, "/detail"), &lines);
  AddUnlessEmpty("config", InForceSince(record), &lines);
  return lines;
}

Owner OwnerOf(const Json& record, const std::string& cause) {
  for (const Json& decision : PartAt(record, "/decisions")) {
    if (TextAt(decision, "/kind") != "policy" || TextAt(decision, "/reason") != cause) continue;
    // "ResiliencePolicy shop/cart spec.rateLimit"
    const std::string text = TextAt(decision, "/subject");
    const size_t kind = text.find(' ');
    const size_t field = text.rfind(' ');
    if (field == kind) continue;
    return {text.substr(0, field), text.substr(0, kind) + text.substr(field)};
  }
  return {};
}

const Json* InnerOf(const std::vector<Hop>& hops, size_t of) {
  for (const Hop& hop : hops) {
    if (hop.parent == static_cast<int>(of)) return &hop.record;
  }
  return nullptr;
}

std::vector<std::string> ConsideredIn(const Json& record, bool with_limits) {
  std::vector<std::string> considered;
  for (const Json& decision : PartAt(record, "/decisions")) {
    const std::string kind = TextAt(decision, "/kind");
    if (!with_limits && kind == "cluster limit" && TrueAt(decision, "/positive")) continue;
    const std::string subject = TextAt(decision, "/subject");
    std::string text = kind;
    if (!subject.empty()) text += " " + (kind == "authorization" ? PolicyText(subject) : subject);
    if (TrueAt(decision, "/positive") && kind == "route") text += " (chosen)";
    const std::string reason = TextAt(decision, "/reason");
    considered.push_back(reason.empty() ? text : text + ": " + reason);
  }
  return considered;
}

std::string TimeOf(const std::vector<Hop>& hops) {
  const int64_t whole = NumberAt(hops.front().record, "/ended");
  const auto inbound = std::find_if(hops.begin(), hops.end(), [](const Hop& hop) {
    return !IsOfCaller(hop.record) && WasSentOn(hop.record);
  });
  // A call whose record is missing would count as the mesh.
  if (inbound == hops.end() || !MissingIn(hops).empty()) return MicrosText(whole);
  const int64_t service =
      NumberAt(inbound->record, "/ended") - NumberAt(inbound->record, "/upstreamAsked");
  if (service < 0 || service > whole) return MicrosText(whole);
  return absl::StrCat(MicrosText(whole), ", of which ", MicrosText(service), " in ",
                      Or(ShortWorkload(TextAt(inbound->record, "/destination")), "the service"),
                      " and ", MicrosText(whole - service), " in the mesh and the network");
}

std::string MicrosTime(int64_t micros) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMicros(micros),
                          absl::UTCTimeZone());
}

}  // namespace tulle::diagnosis
