// `tullectl errors`: failed requests by cause.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/lifetime.h"
#include "control-plane/cli/request_report.h"
#include "control-plane/cli/traffic.h"
#include "control-plane/cli/traffic_report.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/diagnosis/hops.h"
#include "control-plane/diagnosis/next_steps_table.h"

namespace tulle::cli {
namespace {

using diagnosis::NextStep;
using diagnosis::NextStepOf;
using diagnosis::ShortService;
using diagnosis::ShortWorkload;

constexpr int64_t kLongestErrorWindow = 3600;
constexpr int64_t kMicros = 1'000'000;

// Of the selection, by the names that both have.
Json NamesOf(const Json& group) {
  const auto split = [](const std::string& name) {
    const size_t dot = name.find('.');
    return Json{{"name", name.substr(0, dot)},
                {"namespace", dot == std::string::npos ? "" : name.substr(dot + 1)}};
  };
  const std::string service = TextAt(group, "/service");
  const std::string source = TextAt(group, "/source");
  Json names = {{"service", split(ShortService(service))},
                {"source", split(ShortWorkload(source))}};
  names["service"]["host"] = service;
  names["source"]["spiffeId"] = source;
  return names;
}

std::string CauseOf(const Json& group) {
  const std::string cause = TextAt(group, "/cause");
  if (!cause.empty()) return cause;
  // A route that answers itself has no cluster.
  const bool is_own =
      !TextAt(group, "/example/route").empty() && TextAt(group, "/example/cluster").empty();
  return is_own ? "answer of the route" : "answer of the service";
}

std::string StatusOf(const Json& group) {
  const std::string status = TextAt(group, "/status");
  return status == "0" ? "-" : status;
}

std::string ShownOr(const std::string& text, const char* otherwise) {
  return text.empty() ? otherwise : text;
}

void PrintErrors(Session& session, const Json& groups) {
  Table table({"COUNT", "STATUS", "CAUSE", "CALLER", "SERVICE", "LAST", "EXAMPLE"});
  for (const Json& group : groups) {
    const int64_t age = session.environment.now() - NumberAt(group, "/lastUnixMicros") / kMicros;
    const NextStep* step = NextStepOf(TextAt(group, "/cause"));
    const bool is_wide = session.invocation.format == Format::kWide;
    table.AddRow({TextAt(group, "/count"), StatusOf(group), CauseOf(group),
                  ShownOr(ShortWorkload(TextAt(group, "/source")), "unknown"),
                  ShownOr(ShortService(TextAt(group, "/service")), "unknown"),
                  FormatAge(age) + " ago", ShownOr(TextAt(group, "/example/requestId"), "-")},
                 is_wide && step != nullptr ? std::string(step->meaning) : "");
  }
  session.Show(table);
}

void PrintIds(Session& session, const Json& groups) {
  for (const Json& group : groups) {
    const std::string id = TextAt(group, "/example/requestId");
    if (!id.empty()) session.out() << id << "\n";
  }
}

std::string ExampleOf(const Json& groups) {
  for (const Json& group : groups) {
    std::string id = TextAt(group, "/example/requestId");
    if (!id.empty()) return id;
  }
  return "";
}

void SayNothingFailed(Session& session) {
  const std::string& ns = session.invocation.ns;
  const std::string& service = session.invocation.selection.service;
  const std::string& from = session.invocation.selection.from;
  session.err() << "No failed request" << (from.empty() ? "" : " of " + from)
                << (service.empty() ? "" : " to " + service)
                << (ns.empty() ? "" : " to namespace " + ns) << " was reported in the last "
                << session.invocation.window << ".\n";
}

}  // namespace

absl::StatusOr<int> Errors(Session& session) {
  const auto window = ParseLifetime(session.invocation.window);
  if (!window.ok()) return window.status();
  if (*window > kLongestErrorWindow) {
    return UserError("invalid time window \"" + session.invocation.window + "\"",
                     "the control plane keeps the last hour: use at most 1h");
  }
  auto reply = session.Get("/v1/failures", {{"window", std::to_string(*window)}});
  if (!reply.ok()) return reply.status();
  if (!reply->contains("groups")) (*reply)["groups"] = Json::array();
  auto& groups = (*reply)["groups"].get_ref<Json::array_t&>();
  const TrafficSelection selection{session.invocation.selection.service, WantedCaller(session),
                                   session.invocation.ns};
  std::erase_if(groups, [&](const Json& group) { return !selection.Selects(NamesOf(group)); });
  if (session.wants_json()) {
    PrintJson(*reply, session.invocation.format, session.out());
    return 0;
  }
  if (session.invocation.format == Format::kName) {
    PrintIds(session, PartAt(*reply, "/groups"));
    return 0;
  }
  if (groups.empty()) {
    SayNothingFailed(session);
  } else {
    PrintErrors(session, PartAt(*reply, "/groups"));
  }
  if (const std::string id = ExampleOf(PartAt(*reply, "/groups")); !id.empty())
    session.out() << "\nWhy: tullectl explain " << ShellWord(id) << "\n";
  if (const int64_t more = NumberAt(*reply, "/leftOut"); more > 0) {
    session.err() << "warning: " << more
                  << " more failures of all services are not listed: a sidecar reports at most 20 "
                     "in 5 s, see "
                     "`tullectl stat`\n";
  }
  return 0;
}

}  // namespace tulle::cli
