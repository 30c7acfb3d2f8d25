#include "absl/strings/str_cat.h"
#include "control-plane/cli/commands.h"

namespace tulle::cli {
namespace {

std::string Counted(int64_t count, std::string_view noun) {
  return absl::StrCat(count, " ", std::string(noun), count == 1 ? "" : "s");
}

}  // namespace

absl::StatusOr<int> EvictWorkloads(Session& session) {
  const auto reply = session.Post("/v1/evictions", {{"account", session.invocation.account},
                                                    {"namespace", session.Namespace()}});
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, session.invocation.format, session.out());
    return 0;
  }
  for (const Json& instance : PartAt(*reply, "/instances")) {
    session.out() << "workload " << TextAt(instance, "") << " removed\n";
  }
  session.out() << "identity " << TextAt(*reply, "/spiffeId")
                << " evicted: " << Counted(NumberAt(*reply, "/certificates"), "certificate")
                << " and " << Counted(NumberAt(*reply, "/tokens"), "join token") << " revoked\n";
  const auto cluster = session.Cluster();
  if (!cluster.ok()) return cluster.status();
  const bool found_none = PartAt(*reply, "/instances").empty() &&
                          NumberAt(*reply, "/certificates") == 0 &&
                          NumberAt(*reply, "/tokens") == 0;
  if (*cluster != nullptr && found_none) {
    session.err() << "warning: the replica that was asked knows no workload and no certificate of "
                     "this identity; check the account and the namespace with `tullectl status "
                     "-o wide`\n";
  }
  session.err() << (*cluster != nullptr
                        ? "Pods of this service account join again with their tokens. To keep them "
                          "out, delete the pods or the service account, then evict again.\n"
                        : "To let it join again, create a new token with `tullectl token "
                          "create`.\n");
  return 0;
}

}  // namespace tulle::cli
