#include <ctime>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/selection.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/trouble.h"

namespace tulle::cli {
namespace {

std::string Joined(const Json& list, const std::string& pointer = "") {
  std::string text;
  for (const Json& each : list) text += (text.empty() ? "" : ",") + TextAt(each, pointer);
  return text;
}

std::string TargetOf(const Json& policy) {
  const Json& target = PartAt(policy, "/spec/targetRef");
  if (target.is_object()) {
    const std::string name = TextAt(target, "/name");
    return TextAt(target, "/kind") + (name.empty() ? "" : "/" + name);
  }
  std::string text;
  for (const Json& parent : PartAt(policy, "/spec/parentRefs")) {
    const std::string port = TextAt(parent, "/port");
    text += (text.empty() ? "" : ",") + TextAt(parent, "/kind") + "/" + TextAt(parent, "/name") +
            (port.empty() ? "" : ":" + port);
  }
  return text.empty() ? Joined(PartAt(policy, "/spec/hosts")) : text;
}

std::string BackendsOf(const Json& route) {
  std::string text;
  for (const Json& rule : PartAt(route, "/spec/rules")) {
    for (const Json& backend : PartAt(rule, "/backendRefs")) {
      const std::string weight = TextAt(backend, "/weight");
      text += (text.empty() ? "" : ",") + TextAt(backend, "/name") +
              (weight.empty() ? "" : "=" + weight);
    }
  }
  return text;
}

// In a few words, what it does.
std::string SummaryOf(const Json& policy) {
  const std::string kind = TextAt(policy, "/kind");
  const auto count = [&](const char* pointer, const std::string& word) {
    return std::to_string(PartAt(policy, pointer).size()) + " " + word;
  };
  if (kind == "HTTPRoute") return BackendsOf(policy);
  if (kind == "AuthorizationPolicy") {
    return TextAt(policy, "/spec/action") + ", " + count("/spec/rules", "rules");
  }
  if (kind == "PeerAuthentication") return TextAt(policy, "/spec/mode");
  if (kind == "EgressPolicy") return "unknown: " + TextAt(policy, "/spec/unknownDestinations");
  if (kind == "ExternalService") return count("/spec/endpoints", "endpoints");
  std::string parts;
  for (const auto& [key, value] : PartAt(policy, "/spec").items()) {
    if (key != "targetRef") parts += (parts.empty() ? "" : ",") + key;
  }
  return parts;
}

std::string AgeOf(const Json& policy, int64_t now) {
  tm parts{};
  const std::string created = TextAt(policy, "/metadata/creationTimestamp");
  if (strptime(created.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr) return "<unknown>";
  return FormatAge(now - timegm(&parts));
}

void PrintPolicies(Session& session, const Json& items, bool of_all_kinds) {
  const bool shows_namespace = session.invocation.all_namespaces;
  std::vector<std::string> headers;
  if (shows_namespace) headers.push_back("NAMESPACE");
  headers.insert(headers.end(), {"NAME", "TARGET", "SUMMARY", "AGE"});
  Table table(headers);
  for (const Json& policy : items) {
    const std::string name = TextAt(policy, "/metadata/name");
    std::vector<std::string> row;
    if (shows_namespace) row.push_back(TextAt(policy, "/metadata/namespace"));
    row.push_back(of_all_kinds ? ShortName(TextAt(policy, "/kind"), name) : name);
    row.push_back(TargetOf(policy));
    row.push_back(SummaryOf(policy));
    row.push_back(AgeOf(policy, session.environment.now()));
    table.AddRow(std::move(row));
  }
  table.Print(session.out());
}

std::string PathOf(Session& session, const Selected& selected) {
  std::string path = "/v1/policies";
  if (!selected.kind.empty()) path += "/" + selected.kind;
  if (!selected.name.empty()) path += "/" + session.Namespace() + "/" + selected.name;
  return path;
}

Session::Query QueryOf(Session& session, const Selected& selected) {
  if (!selected.name.empty() || session.invocation.all_namespaces) return {};
  return {{"namespace", session.Namespace()}};
}

int Print(Session& session, const Json& reply, const Json& items, bool of_all_kinds) {
  if (session.wants_json()) {
    PrintJson(reply, session.invocation.format, session.out());
    return 0;
  }
  if (items.empty()) {
    session.err() << (session.invocation.all_namespaces
                          ? "No resources found.\n"
                          : "No resources found in " + session.Namespace() + " namespace.\n");
    return 0;
  }
  if (session.invocation.format == Format::kName) {
    for (const Json& policy : items) {
      session.out() << ShortName(TextAt(policy, "/kind"), TextAt(policy, "/metadata/name")) << "\n";
    }
    return 0;
  }
  PrintPolicies(session, items, of_all_kinds);
  return 0;
}

}  // namespace

absl::StatusOr<int> Get(Session& session) {
  const Invocation& wanted = session.invocation;
  const std::string first = wanted.names.empty() ? "" : wanted.names[0];
  if (wanted.kind == "services" || wanted.kind == "svc") return ShowServices(session, first);
  if (wanted.kind == "proxies") return ShowProxies(session, first);
  const auto selection = ReadSelection(wanted.kind, wanted.names);
  if (!selection.ok()) return selection.status();
  Json items = Json::array();
  for (const Selected& selected : *selection) {
    const auto reply = session.Get(PathOf(session, selected), QueryOf(session, selected));
    if (!reply.ok()) return reply.status();
    if (!selected.name.empty()) {
      items.push_back(*reply);
    } else {
      for (const Json& item : PartAt(*reply, "/items")) items.push_back(item);
    }
  }
  const bool is_one = selection->size() == 1 && !selection->front().name.empty();
  const bool is_mixed =
      selection->front().kind.empty() || selection->front().kind != selection->back().kind;
  return Print(session, is_one ? items[0] : Json({{"items", items}}), items, is_mixed);
}

}  // namespace tulle::cli
