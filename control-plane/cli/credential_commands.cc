#include <filesystem>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/files.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr char kUseRoles[] =
    "people and programs need no credential of Tulle in a cluster: grant them the Role "
    "tulle-viewer "
    "or tulle-admin with `kubectl -n tulle-system create rolebinding NAME --role=tulle-viewer "
    "--user=USER` (or --serviceaccount=NAMESPACE:ACCOUNT)";

std::string ServicesOf(const Json& token) {
  std::string text;
  for (const Json& service : PartAt(token, "/services")) {
    text += (text.empty() ? "" : ",") + TextAt(service, "");
  }
  return text;
}

// A list of `items`, as JSON, by names alone or as the table that is made of it.
int ShowList(Session& session, const Json& reply, const char* name, const Table& table,
             const std::string& if_empty) {
  if (session.wants_json()) {
    PrintJson(reply, session.invocation.format, session.out());
  } else if (table.empty()) {
    session.err() << if_empty << "\n";
  } else if (session.invocation.format == Format::kName) {
    for (const Json& item : PartAt(reply, "/items")) session.out() << TextAt(item, name) << "\n";
  } else {
    session.Show(table);
  }
  return 0;
}

absl::Status MayBeWritten(const Invocation& wanted) {
  std::error_code error;
  if (!std::filesystem::exists(wanted.write_to, error) || wanted.force) return absl::OkStatus();
  return UserError(wanted.write_to + " already exists",
                   "use another file with --out, or replace it with --force");
}

absl::StatusOr<int> WriteCredential(Session& session, const Json& made) {
  const auto destination = session.ResolvedDestination();
  if (!destination.ok()) return destination.status();
  const std::string& path = session.invocation.write_to;
  const Json file = {{"server", destination->server},
                     {"ca", destination->ca_pem},
                     {"credential", TextAt(made, "/credential")}};
  const absl::Status written = WritePrivateFile(path, file.dump(2) + "\n");
  if (!written.ok()) return written;
  session.out() << path << ": " << TextAt(made, "/name") << ", " << TextAt(made, "/role") << ", of "
                << destination->server << "\n";
  return 0;
}

}  // namespace

absl::StatusOr<int> ListTokens(Session& session) {
  const auto reply = session.Get("/v1/tokens");
  if (!reply.ok()) return reply.status();
  const int64_t now = session.environment.now();
  Table table({"ID", "SERVICES", "AGE", "EXPIRES", "IDENTITY"});
  for (const Json& token : PartAt(*reply, "/items")) {
    table.AddRow(
        {TextAt(token, "/id"), ServicesOf(token), FormatAge(now - NumberAt(token, "/createdAt")),
         "in " + FormatAge(NumberAt(token, "/expiresAt") - now), TextAt(token, "/spiffeId")});
  }
  return ShowList(session, *reply, "/id", table,
                  "No join tokens found. Create one with `tullectl token create`.");
}

absl::StatusOr<int> RevokeToken(Session& session) {
  const auto reply = session.Delete("/v1/tokens/" + session.invocation.name);
  if (!reply.ok()) return reply.status();
  session.out() << "token " << TextAt(*reply, "/id") << " revoked, of "
                << TextAt(*reply, "/spiffeId") << "\n";
  session.err()
      << "Workloads that already joined keep access: they renew certificates without a token.\n";
  return 0;
}

absl::StatusOr<int> CreateCredential(Session& session) {
  const Invocation& wanted = session.invocation;
  if (absl::Status direct = session.RequireDirect("credential create", kUseRoles); !direct.ok())
    return direct;
  if (!wanted.write_to.empty()) {
    if (absl::Status may = MayBeWritten(wanted); !may.ok()) return may;
  }
  const auto made = session.Post("/v1/credentials", {{"name", wanted.name}, {"role", wanted.role}});
  if (!made.ok()) return made.status();
  if (!wanted.write_to.empty()) return WriteCredential(session, *made);
  if (session.wants_json()) {
    PrintJson(*made, wanted.format, session.out());
    return 0;
  }
  session.out() << TextAt(*made, "/credential") << "\n";
  if (wanted.format != Format::kRaw) {
    session.err() << "for " << wanted.name << ", " << wanted.role
                  << "; it cannot be shown again. Save it to a file and use it with "
                     "--credential-file and --ca-file\n";
  }
  return 0;
}

absl::StatusOr<int> ListCredentials(Session& session) {
  const auto reply = session.Get("/v1/credentials");
  if (!reply.ok()) return reply.status();
  Table table({"NAME", "ROLE", "AGE"});
  for (const Json& each : PartAt(*reply, "/items")) {
    table.AddRow({TextAt(each, "/name"), TextAt(each, "/role"),
                  FormatAge(session.environment.now() - NumberAt(each, "/createdAt"))});
  }
  return ShowList(session, *reply, "/name", table, "No credentials found.");
}

absl::StatusOr<int> DeleteCredential(Session& session) {
  if (absl::Status direct = session.RequireDirect("credential delete", kUseRoles); !direct.ok())
    return direct;
  const auto reply = session.Delete("/v1/credentials/" + session.invocation.name);
  if (!reply.ok()) return reply.status();
  session.out() << "credential " << TextAt(*reply, "/name") << " deleted\n";
  return 0;
}

}  // namespace tulle::cli
