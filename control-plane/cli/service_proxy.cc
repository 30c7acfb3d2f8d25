#include "control-plane/cli/service_proxy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control-plane/cli/cluster_login.h"
#include "control-plane/cli/json_text.h"
#include "control-plane/cli/merged_requests.h"
#include "control-plane/cli/merged_traces.h"
#include "control-plane/cli/replicas.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/diagnosis/explanation.h"
#include "k8s/install/settings.h"

namespace tulle::cli {
namespace {

constexpr char kTokenHeader[] = "x-tulle-token";
constexpr char kAudience[] = "tulle-control";
// As the API has them.
constexpr size_t kMostEvents = 1000;
constexpr int kTokenSeconds = 600;
constexpr char kProxies[] = "/v1/proxies";
constexpr char kOneProxy[] = "/v1/proxies/";
constexpr char kServices[] = "/v1/services";
constexpr char kCheck[] = "/v1/check";
constexpr char kTraffic[] = "/v1/traffic";
constexpr char kRequests[] = "/v1/requests";
constexpr std::string_view kOneRequest = "/v1/requests/";
constexpr std::string_view kExplanation = "/explanation";
constexpr char kFailures[] = "/v1/failures";
constexpr char kTraces[] = "/v1/traces";
constexpr char kOneTrace[] = "/v1/traces/";
constexpr char kMetrics[] = "/v1/metrics";
constexpr char kEvents[] = "/v1/events";
constexpr char kTaps[] = "/v1/taps";
constexpr char kOneTap[] = "/v1/taps/";
constexpr char kTrafficHistory[] = "/v1/traffic/history";
constexpr char kTrafficRoutes[] = "/v1/traffic/routes";

std::string InNamespace(const std::string& rest) {
  return absl::StrCat("/api/v1/namespaces/", install::kNamespace, "/", rest);
}

std::string WayTo(const std::string& pod) {
  return absl::StrCat("pods/https:", EncodeSegment(pod), ":", install::kApiPort);
}

// The API server would resolve it, and call something else.
absl::Status CheckSteps(const std::string& path) {
  if (!HasSteps(path)) return absl::OkStatus();
  return UserError("invalid path " + path, "names must not be . or ..");
}

// RBAC's word for a method at a proxy.
std::string VerbOf(const std::string& method) {
  if (method == "PUT") return "update";
  return method == "POST" ? "create" : absl::AsciiStrToLower(method);
}

// Of /v1/requests/ID/explanation; empty: another path.
std::string ExplainedId(std::string_view path) {
  if (!path.starts_with(kOneRequest) || !path.ends_with(kExplanation)) return "";
  path.remove_prefix(kOneRequest.size());
  return std::string(path.substr(0, path.size() - std::min(path.size(), kExplanation.size())));
}

bool IsOfTap(const ApiCall& call) { return call.path == kTaps || call.path.starts_with(kOneTap); }

// Whether each replica has a part of the answer: it follows from the proxies that are connected.
bool DependsOnReplica(const ApiCall& call) {
  // Changes of these are no changes of the mesh: a proxy or a tap is asked for something.
  if (call.path.starts_with(kOneProxy) || IsOfTap(call)) return true;
  return call.method == "GET" &&
         (call.path == kProxies || call.path == kServices || call.path == kCheck ||
          call.path == kTraffic || call.path == kTrafficHistory || call.path == kTrafficRoutes ||
          call.path == kRequests || !ExplainedId(call.path).empty() || call.path == kFailures ||
          call.path == kEvents || call.path == kMetrics || call.path == kTraces ||
          call.path.starts_with(kOneTrace));
}

// What the call limits its answer to.
size_t LimitOf(const ApiCall& call, size_t otherwise) {
  const auto found = call.query.find("limit");
  uint32_t limit = 0;
  return found != call.query.end() && absl::SimpleAtoi(found->second, &limit) ? limit : otherwise;
}

ApiReply Reply(const Json& json) { return {200, json.dump()}; }

std::string MessageOf(const ApiReply& reply) {
  return TextAt(Json::parse(reply.body, nullptr, /*allow_exceptions=*/false), "/message");
}

bool IsSuccess(const ApiReply& reply) { return reply.status / 100 == 2; }

// An error of the API server itself.
bool IsOfApiServer(const ApiReply& reply) {
  if (IsSuccess(reply)) return false;
  const Json json = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  return TextAt(json, "/kind") == "Status";
}

std::string ReasonOf(const ApiReply& reply) {
  const std::string message = MessageOf(reply);
  return message.empty() ? absl::StrCat("HTTP status ", reply.status) : message;
}

// The pod is gone, does not answer, or is about to end.
bool IsSilent(const ApiReply& reply) {
  return reply.status >= 500 || (reply.status == 404 && IsOfApiServer(reply));
}

// It alone may know a sidecar with a problem.
Json SilentCheck(const std::set<std::string>& pods) {
  return {{"id", "replicas-answer"},
          {"name", "replicas of tulle-control"},
          {"ok", false},
          {"message", absl::StrCat("no answer from ", absl::StrJoin(pods, ", "))},
          {"hint", absl::StrCat("their sidecars were not checked: look at `kubectl -n ",
                                install::kNamespace, " get pods`, and try again")}};
}

}  // namespace

absl::StatusOr<ApiReply> ServiceProxy::Send(const ApiCall& call) {
  if (const absl::Status status = CheckSteps(call.path); !status.ok()) return status;
  if (DependsOnReplica(call)) {
    const auto replicas = Replicas();
    if (!replicas.ok()) return replicas.status();
    if (!replicas->empty()) return SendToReplicas(call);
  }
  return SendTo(absl::StrCat("services/", install::kApiProxy), call);
}

absl::StatusOr<ApiReply> ServiceProxy::SendTo(const std::string& way, const ApiCall& call) {
  auto reply = PassTo(way, call);
  if (!reply.ok()) return reply;
  return Explained(way, call, *std::move(reply));
}

absl::StatusOr<ApiReply> ServiceProxy::PassTo(const std::string& way, const ApiCall& call) {
  // A tap is its creator's alone: all of its calls come from one account.
  const bool reads = call.method == "GET" && !IsOfTap(call);
  const std::string target =
      absl::StrCat(InNamespace(absl::StrCat(way, "/proxy")), EncodeTarget(call));
  if (const absl::Status status = CheckSteps(target); !status.ok()) return status;
  const auto token = TokenOf(reads ? install::kViewer : install::kAdmin);
  if (!token.ok()) return token.status();
  const k8s::Request request{call.method, target, "application/json", call.content_type, call.body};
  return api_.Send(request, {{kTokenHeader, *token}});
}

absl::StatusOr<ApiReply> ServiceProxy::Explained(const std::string& way, const ApiCall& call,
                                                 ApiReply reply) {
  // What the control plane itself refuses is the session's to explain.
  if (!IsOfApiServer(reply)) return reply;
  return RefusedProxy(way, call, reply.status, MessageOf(reply));
}

absl::StatusOr<std::vector<std::string>> ServiceProxy::Replicas() {
  if (replicas_) return *replicas_;
  std::vector<std::string> names;
  const auto reply = api_.Send({"GET", InNamespace("pods?labelSelector=app%3Dtulle-control")});
  if (!reply.ok()) return reply.status();
  const Json pods = Json::parse(reply->body, nullptr, /*allow_exceptions=*/false);
  for (const Json& pod : PartAt(pods, "/items")) {
    for (const Json& condition : PartAt(pod, "/status/conditions")) {
      if (TextAt(condition, "/type") == "Ready" && TextAt(condition, "/status") == "True")
        names.push_back(TextAt(pod, "/metadata/name"));
    }
  }
  if (names.size() < 2) names.clear();
  replicas_ = names;
  return names;
}

absl::StatusOr<ApiReply> ServiceProxy::SendToReplicas(const ApiCall& call) {
  if (call.path.starts_with(kOneProxy)) return FindProxy(call);
  if (call.path.starts_with(kOneTap)) return SendToTap(call);
  if (call.path.starts_with(kOneTrace)) return FindTrace(call);
  if (call.path == kTraces) return SearchTraces(call);
  if (!ExplainedId(call.path).empty()) return Explain(call);
  std::vector<Json> answers;
  if (auto refused = AskAll(call, &answers)) return *std::move(refused);
  if (call.path == kProxies) return Reply(MergedProxies(answers));
  if (call.path == kServices) return Reply(MergedServices(answers));
  if (call.path == kTraffic || call.path == kTrafficRoutes) return Reply(MergedTraffic(answers));
  if (call.path == kRequests) return Reply(MergedRequests(answers));
  if (call.path == kFailures) return Reply(MergedFailures(answers));
  if (call.path == kMetrics) return Reply(MergedMetrics(answers));
  if (call.path == kEvents) return Reply(MergedEvents(answers, LimitOf(call, kMostEvents)));
  if (call.path == kTaps) {
    std::vector<std::string> pods = *replicas_;
    std::erase_if(pods, [this](const std::string& pod) { return silent_.contains(pod); });
    return Reply({{"id", JoinedTap(pods, answers)}});
  }
  if (call.path == kTrafficHistory) return Reply(MergedHistory(answers));
  std::set<std::string> connected;
  if (NamesAbsentProxies(answers)) {
    std::vector<Json> proxies;
    if (auto refused = AskAll({"GET", kProxies}, &proxies)) return *std::move(refused);
    connected = ConnectedProxies(MergedProxies(proxies));
  }
  Json checks = MergedChecks(answers, connected);
  if (!silent_.empty()) {
    checks["ok"] = false;
    checks["items"].push_back(SilentCheck(silent_));
  }
  return Reply(checks);
}

absl::StatusOr<ApiReply> ServiceProxy::FindProxy(const ApiCall& call) {
  const std::string rest = call.path.substr(sizeof kOneProxy - 1);
  ApiCall about;
  about.path = kOneProxy + rest.substr(0, rest.find('/'));
  absl::StatusOr<ApiReply> last = UserError("no replica of tulle-control answers");
  for (const std::string& pod : *replicas_) {
    auto reply = Ask(pod, about);
    if (!reply) continue;
    const bool was_found = last.ok() && IsSuccess(*last);
    if (!reply->ok() || !IsSuccess(**reply)) {
      if (!was_found) last = *std::move(reply);
      continue;
    }
    const Json proxy = Json::parse((*reply)->body, nullptr, /*allow_exceptions=*/false);
    last = about.path == call.path ? *std::move(reply) : SendTo(WayTo(pod), call);
    if (TrueAt(proxy, "/connected")) return last;
  }
  return last;
}

// A replica that was started again does not know the tap any more; the others do. The id may come
// from a browser: only pods that are replicas are called.
absl::StatusOr<ApiReply> ServiceProxy::SendToTap(const ApiCall& call) {
  std::vector<Json> answers;
  absl::StatusOr<ApiReply> last =
      UserError("the tap is open at no replica of tulle-control", "open another");
  for (const auto& [pod, id] : PartsOfTap(call.path.substr(sizeof kOneTap - 1))) {
    if (std::find(replicas_->begin(), replicas_->end(), pod) == replicas_->end()) continue;
    ApiCall part = call;
    part.path = kOneTap + id;
    auto reply = Ask(pod, part);
    if (!reply) continue;
    last = *std::move(reply);
    if (!last.ok()) return last;
    if (IsSuccess(*last))
      answers.push_back(Json::parse(last->body, nullptr, /*allow_exceptions=*/false));
  }
  return answers.empty() ? last : Reply(MergedNews(answers));
}

absl::StatusOr<ApiReply> ServiceProxy::FindTrace(const ApiCall& call) {
  std::vector<Json> answers;
  absl::StatusOr<ApiReply> last = UserError("no replica of tulle-control answers");
  for (const std::string& pod : *replicas_) {
    auto reply = Ask(pod, call);
    if (!reply) continue;
    last = *std::move(reply);
    if (!last.ok()) return last;
    if (IsSuccess(*last))
      answers.push_back(Json::parse(last->body, nullptr, /*allow_exceptions=*/false));
  }
  return answers.empty() ? last : Reply(MergedTrace(answers));
}

absl::StatusOr<ApiReply> ServiceProxy::SearchTraces(const ApiCall& call) {
  api::ApiResponse refusal;
  const auto query = api::ReadTraceQuery(call.query, &refusal);
  if (!query) return ApiReply{refusal.status, refusal.body};
  ApiCall newest{"GET", kTraces};
  newest.query["limit"] = absl::StrCat(api::kMostTraces);
  std::vector<Json> answers;
  if (auto refused = AskAll(newest, &answers)) return *std::move(refused);
  return Reply(MergedTraces(answers, *query));
}

absl::StatusOr<ApiReply> ServiceProxy::Explain(const ApiCall& call) {
  const std::string id = ExplainedId(call.path);
  std::vector<Json> answers;
  const ApiCall find{.method = "GET",
                     .path = kRequests,
                     .query = {{"id", id}, {"limit", std::string(diagnosis::kMostHops)}}};
  if (auto refused = AskAll(find, &answers)) return *std::move(refused);
  const Json found = MergedRequests(answers);
  const Json explanation = diagnosis::ExplanationOf(found);
  if (!explanation["hops"].empty()) return Reply(explanation);
  const diagnosis::Unknown unknown = diagnosis::UnknownRequest(id, found);
  return ApiReply{404, Json({{"error", unknown.error}, {"hint", unknown.hint}}).dump()};
}

std::optional<absl::StatusOr<ApiReply>> ServiceProxy::AskAll(const ApiCall& call,
                                                             std::vector<Json>* answers) {
  for (const std::string& pod : *replicas_) {
    auto reply = Ask(pod, call);
    if (!reply) continue;
    if (!reply->ok() || !IsSuccess(**reply)) return reply;
    answers->push_back(Json::parse((*reply)->body, nullptr, /*allow_exceptions=*/false));
  }
  if (!answers->empty()) return std::nullopt;
  return UserError(
      absl::StrCat("no replica of tulle-control answers (", Describe(login_), ")"),
      absl::StrCat("check `kubectl -n ", install::kNamespace, " get pods` and their logs"));
}

std::optional<absl::StatusOr<ApiReply>> ServiceProxy::Ask(const std::string& pod,
                                                          const ApiCall& call) {
  if (silent_.contains(pod)) return std::nullopt;
  // A token that is refused concerns all of them.
  if (const auto token = TokenOf(install::kViewer); !token.ok()) return token.status();
  auto reply = PassTo(WayTo(pod), call);
  if (reply.ok() && !IsSilent(*reply)) return Explained(WayTo(pod), call, *std::move(reply));
  silent_.insert(pod);
  warnings_ << "warning: " << pod
            << " did not answer: " << (reply.ok() ? ReasonOf(*reply) : ErrorOf(reply.status()))
            << "; what its sidecars have told it alone is missing\n";
  return std::nullopt;
}

absl::StatusOr<std::string> ServiceProxy::TokenOf(const char* account) {
  std::string& token = tokens_[account];
  if (!token.empty()) return token;
  const Json wanted = {
      {"apiVersion", "authentication.k8s.io/v1"},
      {"kind", "TokenRequest"},
      {"spec", {{"audiences", {kAudience}}, {"expirationSeconds", kTokenSeconds}}}};
  const auto reply = api_.Send(
      k8s::Create(InNamespace(absl::StrCat("serviceaccounts/", account, "/token")), wanted.dump()));
  if (!reply.ok()) return reply.status();
  if (reply->status / 100 != 2) return RefusedToken(account, *reply);
  token = LinesAt(Json::parse(reply->body, nullptr, /*allow_exceptions=*/false), "/status/token");
  if (!token.empty()) return token;
  return UserError(
      absl::StrCat("the API server issued no token of ", account, " (", Describe(login_), ")"));
}

absl::Status ServiceProxy::RefusedToken(const char* account, const ApiReply& reply) const {
  const std::string where = absl::StrCat(" (", Describe(login_), ")");
  if (reply.status == 404) {
    return UserError(
        absl::StrCat("Tulle is not installed in this cluster, or an older version of it is: there "
                     "is no service account ",
                     install::kNamespace, "/", account, where),
        "install it with `tullectl install --apply`, or name another cluster with --context NAME "
        "or "
        "--kubeconfig FILE");
  }
  if (reply.status == 403) {
    return UserError(
        absl::StrCat("permission denied: you may not request a token of the service account ",
                     install::kNamespace, "/", account, where),
        absl::StrCat("check with `kubectl auth can-i create serviceaccounts/", account,
                     " --subresource=token -n ", install::kNamespace,
                     "`; an administrator grants it with `kubectl -n ", install::kNamespace,
                     " create rolebinding NAME --role=", account, " --user=USER`"));
  }
  const Json json = Json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
  return UserError(absl::StrCat("the API server refused a token of ", account, ": HTTP status ",
                                reply.status, " ", TextAt(json, "/message"), where));
}

absl::Status ServiceProxy::RefusedProxy(const std::string& way, const ApiCall& call, int status,
                                        const std::string& message) const {
  const std::string where = absl::StrCat(" (", Describe(login_), ")");
  if (status == 403) {
    return UserError(
        absl::StrCat("permission denied: you may not call tulle-control through the API server",
                     where),
        absl::StrCat("check with `kubectl auth can-i ", VerbOf(call.method), " ", way,
                     " --subresource=proxy -n ", install::kNamespace,
                     "`; the Role tulle-viewer or tulle-admin grants it"));
  }
  if (status == 404) {
    return UserError(absl::StrCat("the Service tulle-control does not exist", where),
                     "install Tulle with `tullectl install --apply`");
  }
  return UserError(
      absl::StrCat("the API server cannot reach tulle-control: ", message, where),
      absl::StrCat("check `kubectl -n ", install::kNamespace, " get pods` and their logs"));
}

}  // namespace tulle::cli
