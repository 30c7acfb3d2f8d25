#include <ctime>
#include <map>
#include <optional>
#include <utility>

#include "control-plane/cli/cluster_objects.h"
#include "control-plane/cli/cluster_policy_commands.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/policy_targets.h"
#include "control-plane/cli/selection.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

std::string AgeOf(const Json& policy, int64_t now) {
  tm parts{};
  const std::string created = TextAt(policy, "/metadata/creationTimestamp");
  if (strptime(created.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr) return "<unknown>";
  return FormatAge(now - timegm(&parts));
}

// The last change of a policy: {revision, at, author}, out of the history of all.
class LastChanges {
 public:
  static absl::StatusOr<LastChanges> Read(Session& session) {
    auto history = session.Get("/v1/history");
    if (!history.ok()) return history.status();
    return LastChanges(*std::move(history));
  }

  // Null: older than the history.
  const Json* Of(const Json& policy) const {
    for (const Json& entry : PartAt(history_, "/items")) {
      for (const Json& change : PartAt(entry, "/changes")) {
        if (TextAt(change, "/kind") == TextAt(policy, "/kind") &&
            TextAt(change, "/name") == TextAt(policy, "/metadata/name") &&
            TextAt(change, "/namespace") == TextAt(policy, "/metadata/namespace")) {
          return &entry;
        }
      }
    }
    return nullptr;
  }

 private:
  explicit LastChanges(Json history) : history_(std::move(history)) {}

  Json history_;
};

// As in the condition.
std::string TextOf(const Verdict& verdict) {
  if (verdict.state == Verdict::State::kPending) return "Unknown";
  if (verdict.state == Verdict::State::kAccepted) return "True";
  return (verdict.state == Verdict::State::kIncomplete ? "True, " : "False: ") + verdict.reason;
}

absl::Status PrintPolicies(Session& session, const Json& items, bool of_all_kinds) {
  const bool shows_namespace = session.invocation.all_namespaces;
  const int64_t now = session.environment.now();
  std::optional<LastChanges> changes;
  std::vector<std::string> headers = {"NAME", "TARGET", "SUMMARY", "AGE"};
  if (shows_namespace) headers.insert(headers.begin(), "NAMESPACE");
  const auto cluster = session.Cluster();
  if (!cluster.ok()) return cluster.status();
  if (*cluster != nullptr) {
    headers.push_back("ACCEPTED");
  } else if (session.invocation.format == Format::kWide) {
    auto read = LastChanges::Read(session);
    if (!read.ok()) return read.status();
    changes = *std::move(read);
    headers.insert(headers.end(), {"REVISION", "CHANGED", "BY"});
  }
  Table table(headers);
  for (const Json& policy : items) {
    const std::string name = TextAt(policy, "/metadata/name");
    std::vector<std::string> row;
    if (shows_namespace) row.push_back(TextAt(policy, "/metadata/namespace"));
    row.push_back(of_all_kinds ? ShortName(TextAt(policy, "/kind"), name) : name);
    row.insert(row.end(), {TargetOf(policy), SummaryOf(policy), AgeOf(policy, now)});
    if (const Json* last = changes ? changes->Of(policy) : nullptr) {
      row.insert(row.end(),
                 {TextAt(*last, "/revision"), FormatAge(now - NumberAt(*last, "/at")) + " ago",
                  TextAt(*last, "/author")});
    }
    const Verdict verdict = VerdictOf(policy);
    if (*cluster != nullptr) row.push_back(TextOf(verdict));
    row.resize(headers.size());
    table.AddRow(std::move(row), verdict.message);
  }
  session.Show(table);
  return absl::OkStatus();
}

std::string PathOf(const Selected& selected, const std::string& ns) {
  std::string path = "/v1/policies";
  if (!selected.kind.empty()) path += "/" + selected.kind;
  if (!selected.name.empty()) path += "/" + ns + "/" + selected.name;
  return path;
}

Session::Query QueryOf(const Selected& selected, const std::string& ns) {
  if (!selected.name.empty() || ns.empty()) return {};
  return {{"namespace", ns}};
}

absl::StatusOr<int> Print(Session& session, const Json& reply, const Json& items,
                          bool of_all_kinds) {
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
  const absl::Status printed = PrintPolicies(session, items, of_all_kinds);
  if (!printed.ok()) return printed;
  return 0;
}

// Namespaces with services or policies.
absl::StatusOr<int> ShowNamespaces(Session& session) {
  struct Count {
    int services = 0;
    int policies = 0;
  };
  std::map<std::string, Count> namespaces;
  const auto services = session.Get("/v1/services");
  if (!services.ok()) return services.status();
  const auto policies = session.Get("/v1/policies");
  if (!policies.ok()) return policies.status();
  for (const Json& each : PartAt(*services, "/items")) {
    ++namespaces[TextAt(each, "/namespace")].services;
  }
  for (const Json& each : PartAt(*policies, "/items")) {
    ++namespaces[TextAt(each, "/metadata/namespace")].policies;
  }
  Json items = Json::array();
  Table table({"NAMESPACE", "SERVICES", "POLICIES"});
  for (const auto& [name, count] : namespaces) {
    items.push_back({{"name", name}, {"services", count.services}, {"policies", count.policies}});
    table.AddRow({name, std::to_string(count.services), std::to_string(count.policies)});
    if (session.invocation.format == Format::kName) session.out() << name << "\n";
  }
  if (session.wants_json()) {
    PrintJson({{"items", items}}, session.invocation.format, session.out());
  } else if (table.empty()) {
    session.err() << "No namespaces found: there are no services and no policies.\n";
  } else if (session.invocation.format != Format::kName) {
    session.Show(table);
  }
  return 0;
}

}  // namespace

absl::StatusOr<Json> ListPolicies(Session& session, const std::vector<Selected>& selection,
                                  const std::string& ns) {
  const auto cluster = session.Cluster();
  if (!cluster.ok()) return cluster.status();
  Json items = Json::array();
  for (const Selected& selected : selection) {
    if (*cluster != nullptr) {
      auto listed = ListInCluster(session, **cluster, selected, ns);
      if (!listed.ok()) return listed.status();
      for (Json& item : *listed) items.push_back(std::move(item));
      continue;
    }
    const auto reply = session.Get(PathOf(selected, ns), QueryOf(selected, ns));
    if (!reply.ok()) return reply.status();
    if (!selected.name.empty()) {
      items.push_back(*reply);
    } else {
      for (const Json& item : PartAt(*reply, "/items")) items.push_back(item);
    }
  }
  return items;
}

absl::StatusOr<int> Get(Session& session) {
  const Invocation& wanted = session.invocation;
  const std::string first = wanted.names.empty() ? "" : wanted.names[0];
  if (wanted.kind == "services" || wanted.kind == "service" || wanted.kind == "svc")
    return ShowServices(session, first);
  if (wanted.kind == "workloads" || wanted.kind == "workload") return ShowWorkloads(session, first);
  if (wanted.kind == "proxies" || wanted.kind == "proxy") return ShowProxies(session, first);
  if (wanted.kind == "namespaces" || wanted.kind == "ns") return ShowNamespaces(session);
  const auto selection = ReadSelection(wanted.kind, wanted.names);
  if (!selection.ok()) return selection.status();
  if (wanted.all_namespaces && !selection->front().name.empty()) {
    return UserError("a resource cannot be retrieved by name across all namespaces",
                     "use -n NAMESPACE");
  }
  const auto items =
      ListPolicies(session, *selection, wanted.all_namespaces ? "" : session.Namespace());
  if (!items.ok()) return items.status();
  const bool is_one = selection->size() == 1 && !selection->front().name.empty();
  const bool is_mixed =
      selection->front().kind.empty() || selection->front().kind != selection->back().kind;
  // A List as Kubernetes has it: `apply -f` takes it back.
  const Json list = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", *items}};
  return Print(session, is_one ? (*items)[0] : list, *items, is_mixed);
}

}  // namespace tulle::cli
