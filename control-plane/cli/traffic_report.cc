#include "control-plane/cli/traffic_report.h"

#include <utility>

#include "control-plane/cli/lifetime.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr int64_t kLongestWindow = 3600;

}  // namespace

std::string WantedCaller(Session& session) {
  const std::string& from = session.invocation.selection.from;
  const bool is_account = !from.empty() && from != "unknown" &&
                          from.find('.') == std::string::npos &&
                          from.find('/') == std::string::npos;
  return is_account ? from + "." + session.Namespace() : from;
}

absl::StatusOr<TrafficReport> GetTraffic(Session& session, const std::string& path,
                                         bool or_caller) {
  const Invocation& wanted = session.invocation;
  const auto window = ParseLifetime(wanted.window);
  if (!window.ok()) return window.status();
  if (*window > kLongestWindow) {
    return UserError("invalid time window \"" + wanted.window + "\"",
                     "the control plane keeps the last hour: use at most 1h");
  }
  auto reply = session.Get(path, {{"window", std::to_string(*window)}});
  if (!reply.ok()) return reply.status();
  TrafficReport report{*std::move(reply), 0, {}};
  report.seconds = NumberAt(report.reply, "/seconds");
  if (!report.reply.contains("links")) report.reply["links"] = Json::array();
  const TrafficSelection selection{wanted.selection.service, WantedCaller(session), wanted.ns,
                                   or_caller};
  auto& links = report.reply["links"].get_ref<Json::array_t&>();
  std::erase_if(links, [&](const Json& link) { return !selection.Selects(link); });
  report.links = ReadLinks(report.reply);
  return report;
}

void SayNoTraffic(Session& session) {
  const Invocation& wanted = session.invocation;
  const TrafficFlags& selection = wanted.selection;
  session.err() << "No traffic ";
  if (!selection.from.empty()) session.err() << "from " << WantedCaller(session) << " ";
  if (!selection.service.empty()) session.err() << "to " << selection.service << " ";
  if (!wanted.ns.empty()) session.err() << "in namespace " << wanted.ns << " ";
  session.err() << "in the last " << wanted.window
                << ". Sidecars report every 5 s: check with `tullectl status` that they are "
                   "connected, or use a longer -t.\n";
  if (!selection.service.empty()) {
    session.err() << "Requests count for the service that a route has chosen: see `tullectl stat "
                  << selection.service << " --by route`, and `tullectl services -A` for names.\n";
  }
}

}  // namespace tulle::cli
