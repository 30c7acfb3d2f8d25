#include "control-plane/cli/commands.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/line_diff.h"
#include "control-plane/cli/selection.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

// An API server keeps no former versions of its objects.
absl::Status RequireHistory(Session& session, const std::string& command) {
  return session.RequireDirect(
      command,
      "policies of a cluster are objects of its API server, which keeps no earlier versions: keep "
      "them in Git, and apply an earlier version with `tullectl apply -f FILE`. Who changed a "
      "policy last: `kubectl -n NAMESPACE get KIND NAME -o yaml --show-managed-fields`");
}

// The policy that is named. Without kind and name: all policies.
absl::StatusOr<Selected> OneOrAll(Session& session) {
  const Invocation& wanted = session.invocation;
  if (wanted.kind.empty()) return Selected{};
  const auto selection = ReadSelection(wanted.kind, wanted.names);
  if (!selection.ok()) return selection.status();
  if (selection->size() != 1 || (*selection)[0].kind.empty() || (*selection)[0].name.empty()) {
    return UserError("KIND and NAME are required", "name one policy, or none for all policies");
  }
  return (*selection)[0];
}

std::string ChangesOf(const Json& change) {
  std::string text;
  for (const Json& each : PartAt(change, "/changes")) {
    const std::string ns = TextAt(each, "/namespace");
    text += (text.empty() ? "" : ", ") + TextAt(each, "/action") + " " +
            ShortName(TextAt(each, "/kind"), TextAt(each, "/name")) +
            (ns.empty() || ns == "default" ? "" : " (" + ns + ")");
  }
  return text;
}

absl::StatusOr<int> HistoryOfOne(Session& session, const Selected& one) {
  const auto reply = session.Get("/v1/policies/" + one.kind + "/" + session.Namespace() + "/" +
                                 one.name + "/history");
  if (!reply.ok()) return reply.status();
  const Json& items = PartAt(*reply, "/items");
  if (items.empty()) {
    return UserError("no history of " + ShortName(one.kind, one.name) + " found in namespace " +
                         session.Namespace(),
                     "list all changes with `tullectl history`");
  }
  if (session.wants_json()) {
    PrintJson(*reply, session.invocation.format, session.out());
    return 0;
  }
  Table table({"REVISION", "AGE", "AUTHOR", "CHANGE"});
  for (size_t i = 0; i < items.size(); ++i) {
    const bool is_gone = PartAt(items[i], "").is_object() && items[i]["policy"].is_null();
    const bool is_first = i + 1 == items.size() || items[i + 1]["policy"].is_null();
    table.AddRow({TextAt(items[i], "/revision"),
                  FormatAge(session.environment.now() - NumberAt(items[i], "/at")),
                  TextAt(items[i], "/author"),
                  is_gone    ? "deleted"
                  : is_first ? "created"
                             : "changed"});
  }
  session.Show(table);
  return 0;
}

}  // namespace

absl::StatusOr<int> History(Session& session) {
  if (absl::Status kept = RequireHistory(session, "history"); !kept.ok()) return kept;
  const auto one = OneOrAll(session);
  if (!one.ok()) return one.status();
  if (!one->kind.empty()) return HistoryOfOne(session, *one);
  const auto reply = session.Get("/v1/history");
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, session.invocation.format, session.out());
    return 0;
  }
  Table table({"REVISION", "AGE", "WHO", "CHANGES"});
  for (const Json& item : PartAt(*reply, "/items")) {
    table.AddRow({TextAt(item, "/revision"),
                  FormatAge(session.environment.now() - NumberAt(item, "/at")),
                  TextAt(item, "/author"), ChangesOf(item)});
  }
  if (table.empty()) {
    session.err() << "No changes found. Apply policies with `tullectl apply -f FILE`.\n";
  } else {
    session.Show(table);
  }
  return 0;
}

absl::StatusOr<int> RollBack(Session& session) {
  if (absl::Status kept = RequireHistory(session, "rollback"); !kept.ok()) return kept;
  const auto one = OneOrAll(session);
  if (!one.ok()) return one.status();
  const Invocation& wanted = session.invocation;
  Json body = Json::object();
  if (wanted.revision > 0) body["revision"] = wanted.revision;
  if (!one->kind.empty()) {
    body.update({{"kind", one->kind}, {"namespace", session.Namespace()}, {"name", one->name}});
  }
  const auto reply = session.Post("/v1/rollback", body, wanted.dry_run);
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, wanted.format, session.out());
    return 0;
  }
  const Json& changes = PartAt(*reply, "/changes");
  const std::string source = wanted.revision > 0 ? "revision " + std::to_string(wanted.revision)
                                                 : "before the last change";
  for (const Json& change : changes) {
    const std::string name = ShortName(TextAt(change, "/kind"), TextAt(change, "/name"));
    if (wanted.format == Format::kName) {
      session.out() << name << "\n";
      continue;
    }
    session.out() << name << " " << TextAt(change, "/action")
                  << (wanted.dry_run ? " (dry run)" : "") << "\n";
    if (wanted.dry_run) {
      session.out() << UnifiedDiff(name, LinesAt(change, "/before"), LinesAt(change, "/after"),
                                   source);
    }
  }
  if (changes.empty()) session.err() << "No differences from that revision.\n";
  if (!changes.empty() && !wanted.dry_run && wanted.format != Format::kName) {
    session.err() << "New revision: " << TextAt(*reply, "/revision")
                  << ". To undo the rollback, run `tullectl rollback` again.\n";
  }
  return 0;
}

}  // namespace tulle::cli
