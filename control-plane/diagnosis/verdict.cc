#include "control-plane/diagnosis/verdict.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "control-plane/diagnosis/next_steps_table.h"
#include "control-plane/diagnosis/request_text.h"

namespace tulle::diagnosis {
namespace {

constexpr char kCallerLeft[] = "downstream_closed";
constexpr int64_t kServerErrors = 500;
constexpr int64_t kErrors = 400;

// Of the hops that count, the last one that holds: the deepest of a chain.
template <typename Holds>
int LastThat(const std::vector<Hop>& hops, const std::vector<bool>& counts, Holds holds) {
  for (size_t i = hops.size(); i > 0; --i) {
    if (counts[i - 1] && holds(hops[i - 1].record)) return static_cast<int>(i - 1);
  }
  return -1;
}

// By its certificate.
std::string ReporterOf(const Json& record) {
  return TextAt(record, TrueAt(record, "/outbound") ? "/source" : "/destination");
}

// Hops of calls that both sides tell of. One sidecar alone can claim that it called anybody, or was
// called, once it has been asked for a request.
std::vector<bool> ConfirmedIn(const std::vector<Hop>& hops) {
  std::vector<size_t> roots;
  std::vector<bool> is_confirmed(hops.size());  // of roots
  for (size_t i = 0; i < hops.size(); ++i) {
    const int parent = hops[i].parent;
    roots.push_back(parent < 0 ? i : roots[static_cast<size_t>(parent)]);
    if (parent < 0) continue;
    const Json& caller = hops[static_cast<size_t>(parent)].record;
    if (ReporterOf(caller) != ReporterOf(hops[i].record)) is_confirmed[roots[i]] = true;
  }
  std::vector<bool> confirmed;
  for (const size_t root : roots) confirmed.push_back(is_confirmed[root]);
  return confirmed;
}

// A route of the sidecar answers, and no service is asked.
bool IsOwnAnswer(const Json& record) {
  return TextAt(record, "/cause").empty() && !TextAt(record, "/route").empty() &&
         TextAt(record, "/cluster").empty() && NumberAt(record, "/upstreamAnswered") == 0 &&
         NumberAt(record, "/status") >= kErrors;
}

bool HasSucceeded(const Json& record) {
  const int64_t status = NumberAt(record, "/status");
  return status > 0 && status < kErrors && TextAt(record, "/cause").empty() &&
         !TrueAt(record, "/failed");
}

bool IsBelow(const std::vector<Hop>& hops, size_t hop, size_t above) {
  int at = hops[hop].parent;
  while (at >= 0 && static_cast<size_t>(at) != above) at = hops[static_cast<size_t>(at)].parent;
  return at >= 0;
}

// The hops of calls that did not succeed: what failed within one that did was made good, by a retry
// or by the service.
std::vector<bool> NotMadeGoodIn(const std::vector<Hop>& hops) {
  std::vector<bool> counts;
  for (const Hop& hop : hops) {
    counts.push_back(hop.parent < 0 ? !HasSucceeded(hop.record)
                                    : counts[static_cast<size_t>(hop.parent)]);
  }
  return counts;
}

// A hop that lost its caller did so because another one gave up.
int DecidingHop(const std::vector<Hop>& hops, const std::vector<bool>& counts) {
  const auto first = std::find(counts.begin(), counts.end(), true);
  if (first == counts.end()) return -1;
  const Json& answer = hops[static_cast<size_t>(first - counts.begin())].record;
  const int64_t answered = NumberAt(answer, "/status");
  const auto has_cause = [](const Json& record) {
    const std::string cause = TextAt(record, "/cause");
    return IsOwnAnswer(record) || (!cause.empty() && cause != kCallerLeft);
  };
  const int same = LastThat(hops, counts, [&](const Json& record) {
    return has_cause(record) && NumberAt(record, "/status") == answered;
  });
  if (same >= 0) return same;
  if (const int any = LastThat(hops, counts, has_cause); any >= 0) return any;
  // Whoever passed an error on may have had it from a sidecar whose record is missing.
  if (!MissingIn(hops).empty()) return -1;
  const int error = LastThat(hops, counts, [](const Json& record) {
    return NumberAt(record, "/status") >= kServerErrors;
  });
  if (error >= 0) return error;
  return LastThat(hops, counts,
                  [](const Json& record) { return TextAt(record, "/cause") == kCallerLeft; });
}

std::string Filled(std::string_view text, const Json& record) {
  const std::string service = ShortService(TextAt(record, "/service"));
  const std::string proxy = TextAt(record, "/proxy");
  return absl::StrReplaceAll(std::string(text),
                             {{"{service}", service.empty() ? "the service" : service},
                              {"{proxy}", proxy.empty() ? "PROXY" : proxy},
                              {"{host}", TextAt(record, "/authority")}});
}

std::string SidecarOf(const Json& record) {
  const bool is_outbound = TrueAt(record, "/outbound");
  const std::string workload =
      ShortWorkload(TextAt(record, is_outbound ? "/source" : "/destination"));
  return absl::StrCat("the sidecar of ", workload.empty() ? "an unknown workload" : workload);
}

// What it did with a request, or with a TCP connection.
std::string EndingBy(const Json& record) {
  if (IsTcp(record)) return " closed the connection";
  const std::string status = TextAt(record, "/status");
  return status == "0" ? " ended it" : " answered " + status;
}

// "AuthorizationPolicy default/only-web, rule 0" -> the command that shows it.
std::string CommandOf(const std::string& policy) {
  const size_t blank = policy.find(' ');
  const size_t slash = policy.find('/', blank);
  if (blank == std::string::npos || slash == std::string::npos) return "";
  const std::string name = policy.substr(slash + 1, policy.find(',', slash) - slash - 1);
  const std::string ns = policy.substr(blank + 1, slash - blank - 1);
  const std::string plain = absl::StrCat(policy.substr(0, blank), name, ns);
  // What no policy is named was not decided by one.
  const bool is_name = std::all_of(plain.begin(), plain.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.';
  });
  if (!is_name) return "";
  return absl::StrCat("tullectl get ", policy.substr(0, blank), " ", name, " -n ", ns, " -o yaml");
}

// A rule of an ALLOW policy that does not match.
struct Unmatched {
  std::string policy;
  std::string reason;
  bool names_caller = false;
};

// Of those that were considered the one that would need the least change.
Unmatched NearestIn(const Json& record) {
  Unmatched nearest;
  for (const Json& decision : PartAt(record, "/decisions")) {
    const std::string policy = TextAt(decision, "/subject");
    if (TextAt(decision, "/kind") != "authorization" || policy.empty()) continue;
    const std::string reason = TextAt(decision, "/reason");
    const bool names_caller = reason.find("caller") == std::string::npos;
    if (nearest.policy.empty() || (names_caller && !nearest.names_caller))
      nearest = {PolicyText(policy), reason, names_caller};
  }
  return nearest;
}

void ExplainNoMatch(const Json& record, Verdict* verdict) {
  const std::string account = ShortWorkload(TextAt(record, "/source"));
  const std::string caller = account.empty() ? "a caller without a certificate" : account;
  const Unmatched nearest = NearestIn(record);
  verdict->policy = nearest.policy;
  verdict->command = CommandOf(nearest.policy);
  if (nearest.policy.empty()) {
    absl::StrAppend(&verdict->meaning, ": no rule of its ALLOW policies matches this request");
    verdict->next_step =
        "compare the request with rules[].from and rules[].to of the policies: `tullectl get "
        "authorizationpolicies -A -o yaml`";
  } else if (nearest.names_caller) {
    absl::StrAppend(&verdict->meaning, ": ", nearest.policy, " names ", caller, ", but the ",
                    nearest.reason);
    verdict->next_step =
        "if this request should pass, add its method and path to rules[].to of this policy";
    verdict->field = "AuthorizationPolicy spec.rules[].to";
  } else {
    absl::StrAppend(&verdict->meaning, ": no rule of its ALLOW policies names ", caller);
    verdict->next_step = absl::StrCat("if ", caller, " should be allowed, name it in rules[].from");
    if (account.empty())
      verdict->next_step = "give the caller a sidecar: without it, it has no identity";
    verdict->field = "AuthorizationPolicy spec.rules[].from";
  }
}

void ExplainDenial(const Json& record, Verdict* verdict) {
  verdict->policy = PolicyText(TextAt(record, "/policy"));
  if (verdict->policy.empty()) return ExplainNoMatch(record, verdict);
  verdict->command = CommandOf(verdict->policy);
  if (verdict->policy.starts_with("PeerAuthentication")) {
    verdict->meaning = SidecarOf(record) + " refused it, because the caller did not use mutual TLS";
    verdict->next_step =
        "give the caller a sidecar, or allow plaintext with the mode PERMISSIVE of this policy";
    verdict->field = "PeerAuthentication spec.mode";
    return;
  }
  verdict->meaning = absl::StrCat(SidecarOf(record), EndingBy(record),
                                  ", because this DENY policy matches the request");
  verdict->next_step =
      "if this request should pass, change rules[].from or rules[].to of this policy";
  verdict->field = "AuthorizationPolicy spec.rules";
}

// Of a route that leads nowhere and does not say why: of an older sidecar, or not of the control
// plane's.
void ExplainOwnAnswer(const Json& record, Verdict* verdict) {
  const std::string route = TextAt(record, "/route");
  const std::string status = TextAt(record, "/status");
  verdict->meaning = absl::StrCat(SidecarOf(record), " answered ", status, ", because the route ",
                                  route, " returns this response itself: it has no backend");
  verdict->next_step =
      "`tullectl check` names routes whose backendRefs cannot be used, and EgressPolicies deny "
      "destinations";
  verdict->field = "HTTPRoute, GRPCRoute rules[].backendRefs";
}

// The application's own response.
void ExplainAnswer(const Json& record, Verdict* verdict) {
  const std::string status = TextAt(record, "/status");
  const bool is_outbound = TrueAt(record, "/outbound");
  const std::string service = is_outbound ? ShortService(TextAt(record, "/service"))
                                          : ShortWorkload(TextAt(record, "/destination"));
  verdict->meaning = absl::StrCat(service.empty() ? "the application" : service, " answered ",
                                  status, " itself; the mesh passed it on");
  verdict->next_step = absl::StrCat("look at the log of the application",
                                    service.empty() ? "" : " of " + service, " at that time");
  if (TrueAt(record, "/retriesExhausted"))
    absl::StrAppend(&verdict->meaning, ", after ", TextAt(record, "/attempts"), " attempts");
}

void Explain(const Json& record, Verdict& verdict) {
  verdict.cause = TextAt(record, "/cause");
  if (verdict.cause.empty()) {
    IsOwnAnswer(record) ? ExplainOwnAnswer(record, &verdict) : ExplainAnswer(record, &verdict);
    return;
  }
  verdict.meaning = absl::StrCat(SidecarOf(record), EndingBy(record), ", because ");
  const NextStep* step = NextStepOf(verdict.cause);
  if (step == nullptr) {
    absl::StrAppend(&verdict.meaning, "of ", verdict.cause);
    return;
  }
  absl::StrAppend(&verdict.meaning, Filled(step->meaning, record));
  if (TrueAt(record, "/retriesExhausted"))
    absl::StrAppend(&verdict.meaning, ", ", TextAt(record, "/attempts"), " times");
  const bool is_outbound = TrueAt(record, "/outbound");
  verdict.next_step =
      Filled(is_outbound || step->inbound.empty() ? step->outbound : step->inbound, record);
  verdict.field = std::string(step->policy);
  if (const Owner owner = OwnerOf(record, verdict.cause); !owner.policy.empty()) {
    verdict.policy = owner.policy;
    verdict.field = owner.field;
    verdict.command = CommandOf(owner.policy);
  }
  const bool is_refused =
      verdict.cause == "plaintext_refused" && !TextAt(record, "/policy").empty();
  if (verdict.cause == "denied" || is_refused) ExplainDenial(record, &verdict);
}

// What a call that the hop led to ended with, since it may be why this one ended so.
void AddEarlier(const std::vector<Hop>& hops, Verdict* verdict) {
  for (size_t i = hops.size() - 1; i > static_cast<size_t>(verdict->hop); --i) {
    const Json& record = hops[i].record;
    const std::string cause = TextAt(record, "/cause");
    if (!IsBelow(hops, i, static_cast<size_t>(verdict->hop))) continue;
    if (cause.empty() || cause == kCallerLeft || cause == verdict->cause) continue;
    const std::string policy = cause == "denied" ? PolicyText(TextAt(record, "/policy")) : "";
    absl::StrAppend(&verdict->meaning, "; before that, hop ", i + 1, " ended with ", cause,
                    policy.empty() ? "" : " by " + policy);
    return;
  }
}

}  // namespace

Verdict VerdictOn(const std::vector<Hop>& hops) {
  const std::vector<bool> counts = NotMadeGoodIn(hops);
  std::vector<bool> confirmed = ConfirmedIn(hops);
  const bool are_others = std::find(confirmed.begin(), confirmed.end(), true) != confirmed.end();
  for (size_t i = 0; i < hops.size(); ++i) confirmed[i] = confirmed[i] && counts[i];
  Verdict verdict;
  verdict.hop = DecidingHop(hops, confirmed);
  const bool is_confirmed = verdict.hop >= 0;
  if (!is_confirmed) verdict.hop = DecidingHop(hops, counts);
  if (verdict.hop < 0) return verdict;
  Explain(hops[static_cast<size_t>(verdict.hop)].record, verdict);
  AddEarlier(hops, &verdict);
  if (!is_confirmed && are_others)
    absl::StrAppend(&verdict.meaning, " (no other sidecar has told of this call)");
  return verdict;
}

}  // namespace tulle::diagnosis
