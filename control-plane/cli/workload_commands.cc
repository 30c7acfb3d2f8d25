// The workloads that are registered, or that a cluster has: `tullectl get workloads`.

#include <algorithm>

#include "control-plane/cli/commands.h"

namespace tulle::cli {
namespace {

constexpr char kPod[] = "/metadata/tulle.dev~1pod";

// Those of `ns`, empty: of all namespaces, by the names that are shown.
absl::StatusOr<Json> ReadWorkloads(Session& session, const std::string& ns) {
  const auto reply = session.Get("/v1/workloads");
  if (!reply.ok()) return reply.status();
  Json all = PartAt(*reply, "/items");
  auto& items = all.get_ref<Json::array_t&>();
  std::erase_if(items, [&ns](const Json& workload) {
    return !ns.empty() && TextAt(workload, "/namespace") != ns;
  });
  for (Json& workload : items) {
    workload["name"] = TextAt(workload, "/id");
    workload["pod"] = TextAt(workload, kPod);
  }
  std::stable_sort(items.begin(), items.end(), [](const Json& one, const Json& other) {
    return ShownName(one) < ShownName(other);
  });
  return all;
}

void PrintWorkloads(Session& session, const Json& workloads) {
  const bool is_wide = session.invocation.format == Format::kWide;
  std::vector<std::string> headers = {"NAME", "SERVICES", "ADDRESS", "HEALTH", "SIDECAR"};
  if (is_wide) headers.insert(headers.end(), {"IDENTITY", "LOCALITY", "ID"});
  Table table(headers);
  for (const Json& workload : workloads) {
    std::string services;
    for (const Json& service : PartAt(workload, "/services"))
      services += (services.empty() ? "" : ",") + TextAt(service, "");
    std::vector<std::string> row = {ShownName(workload), services, TextAt(workload, "/address"),
                                    TextAt(workload, "/health"),
                                    TrueAt(workload, "/meshed") ? "yes" : "no"};
    if (is_wide) {
      row.insert(row.end(), {TextAt(workload, "/spiffeId"), TextAt(workload, "/locality"),
                             TextAt(workload, "/id")});
    }
    table.AddRow(std::move(row));
  }
  session.Show(table);
}

}  // namespace

absl::StatusOr<Json> FindWorkload(Session& session, const std::string& name) {
  const auto all = ReadWorkloads(session, session.invocation.ns);
  if (!all.ok()) return all.status();
  return FindNamed(*all, name, session.invocation.ns,
                   {"workload", "workloads", "list workloads with `tullectl get workloads -A`"});
}

absl::StatusOr<int> ShowWorkloads(Session& session, const std::string& name) {
  const std::string ns = session.invocation.all_namespaces ? "" : session.Namespace();
  const auto found = name.empty() ? ReadWorkloads(session, ns) : FindWorkload(session, name);
  if (!found.ok()) return found.status();
  const Json items = name.empty() ? *found : Json::array({*found});
  if (session.wants_json()) {
    PrintJson(name.empty() ? Json({{"items", items}}) : *found, session.invocation.format,
              session.out());
  } else if (items.empty()) {
    session.err() << (ns.empty() ? "No workloads found.\n"
                                 : "No workloads found in " + ns + " namespace.\n");
  } else if (session.invocation.format == Format::kName) {
    for (const Json& workload : items) session.out() << "workload/" << ShownName(workload) << "\n";
  } else {
    PrintWorkloads(session, items);
  }
  return 0;
}

}  // namespace tulle::cli
