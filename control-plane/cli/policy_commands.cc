#include <algorithm>

#include "control-plane/cli/cluster_policy_commands.h"
#include "control-plane/cli/commands.h"
#include "control-plane/cli/file_set.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/line_diff.h"
#include "control-plane/cli/policy_text.h"
#include "control-plane/cli/selection.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

absl::StatusOr<FileSet> ReadFiles(Session& session) {
  return FileSet::Read(session.invocation.files, session.invocation.recursive,
                       session.environment.in);
}

std::string ChangedName(const Json& change) {
  return ShortName(TextAt(change, "/kind"), TextAt(change, "/name"));
}

std::string NamespaceNote(const Json& change) {
  const std::string ns = TextAt(change, "/namespace");
  return ns.empty() || ns == "default" ? "" : " in namespace " + ns;
}

// {kind, namespace, name} of each policy to delete.
absl::StatusOr<Json> NamedPolicies(Session& session) {
  const auto selection = ReadSelection(session.invocation.kind, session.invocation.names);
  if (!selection.ok()) return selection.status();
  Json policies = Json::array();
  for (const Selected& selected : *selection) {
    if (selected.kind.empty() || selected.name.empty()) {
      return UserError("KIND and NAME, or -f FILE, are required",
                       "for example: tullectl delete httproute post");
    }
    policies.push_back(
        {{"kind", selected.kind}, {"namespace", session.Namespace()}, {"name", selected.name}});
  }
  return policies;
}

absl::StatusOr<Json> PoliciesInFiles(Session& session) {
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
  const policy::ParsedFile parsed = files->Parse(session.Namespace());
  if (!parsed.ok()) return UserError("nothing was deleted:\n" + TextOfProblems(parsed.problems));
  Json policies = Json::array();
  for (const policy::Document& document : parsed.documents) {
    const policy::DocumentKey& key = document.key;
    policies.push_back({{"kind", std::string(policy::ToText(key.kind))},
                        {"namespace", key.ns},
                        {"name", key.name}});
  }
  return policies;
}

// One error for all of them, and one hint.
absl::Status Missing(const Json& missing) {
  std::string names;
  std::string lists;
  for (const Json& each : missing) {
    names += (names.empty() ? "" : ", ") + ChangedName(each) + NamespaceNote(each);
    const std::string list = "`" + TextAt(each, "/list") + "`";
    if (lists.find(list) == std::string::npos) lists += (lists.empty() ? "" : ", ") + list;
  }
  return UserError("not found: " + names,
                   "list policies with " + lists + "; --ignore-not-found ignores missing ones");
}

// With -n, a document of another namespace is most likely a mistake. Other problems of the
// documents are reported by the server.
absl::Status CheckNamespace(Session& session, const FileSet& files) {
  const std::string& ns = session.invocation.ns;
  if (ns.empty()) return absl::OkStatus();
  for (const policy::Document& document : files.Parse(ns).documents) {
    if (document.key.ns == ns) continue;
    policy::Problem problem{"",
                            document.line,
                            0,
                            "metadata.namespace",
                            "namespace " + document.key.ns + " does not match -n " + ns,
                            "remove one of the two"};
    files.Place(&problem);
    return UserError("invalid policy:\n" + ToText(problem));
  }
  return absl::OkStatus();
}

// Parts that were applied and have no effect in the mesh as it is now.
void PrintWarnings(Session& session, const Json& reply) {
  const Json& warnings = PartAt(reply, "/warnings");
  for (size_t i = 0; i < warnings.size(); ++i) {
    const Json& each = warnings[i];
    session.err() << (session.environment.has_colour ? "\033[33mwarning:\033[0m " : "warning: ")
                  << ChangedName(each) << NamespaceNote(each) << " " << TextAt(each, "/field")
                  << ": " << TextAt(each, "/warning") << "\n";
    // Warnings with the same hint share it.
    const std::string hint = TextAt(each, "/hint");
    const bool is_last = i + 1 == warnings.size() || TextAt(warnings[i + 1], "/hint") != hint;
    if (is_last) session.err() << "hint: " << hint << "\n";
  }
}

}  // namespace

std::string TextOfProblems(const policy::Problems& problems) {
  std::string text = ToText(problems);
  if (!text.empty()) text.pop_back();
  return text;
}

bool PrintDiff(Session& session, const std::string& name, const std::string& before,
               const std::string& after) {
  const std::string diff = UnifiedDiff(name, before, after);
  if (!session.environment.has_colour) {
    session.out() << diff;
    return !diff.empty();
  }
  for (size_t at = 0; at < diff.size();) {
    const size_t end = std::min(diff.find('\n', at), diff.size());
    const char* colour = diff[at] == '+' ? "\033[32m" : diff[at] == '-' ? "\033[31m" : "";
    session.out() << colour << diff.substr(at, end - at) << (*colour != 0 ? "\033[0m\n" : "\n");
    at = end + 1;
  }
  return !diff.empty();
}

absl::StatusOr<int> Apply(Session& session) {
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
  const absl::Status fits = CheckNamespace(session, *files);
  if (!fits.ok()) return fits;
  const auto cluster = session.Cluster();
  if (!cluster.ok()) return cluster.status();
  if (*cluster != nullptr) return ApplyToCluster(session, **cluster, *files);
  const bool is_dry_run = session.invocation.dry_run;
  const auto reply = session.Apply(*files, is_dry_run);
  if (!reply.ok()) return reply.status();
  if (session.wants_json()) {
    PrintJson(*reply, session.invocation.format, session.out());
    return 0;
  }
  for (const Json& change : PartAt(*reply, "/changes")) {
    session.out() << ChangedName(change);
    if (session.invocation.format != Format::kName) {
      session.out() << " " << TextAt(change, "/action") << NamespaceNote(change)
                    << (is_dry_run ? " (dry run)" : "");
    }
    session.out() << "\n";
  }
  PrintWarnings(session, *reply);
  return 0;
}

absl::StatusOr<int> Delete(Session& session) {
  const Invocation& wanted = session.invocation;
  const auto policies = wanted.files.empty() ? NamedPolicies(session) : PoliciesInFiles(session);
  if (!policies.ok()) return policies.status();
  const auto cluster = session.Cluster();
  if (!cluster.ok()) return cluster.status();
  const auto reply = *cluster == nullptr
                         ? session.Post("/v1/delete", {{"items", *policies}}, wanted.dry_run)
                         : DeleteInCluster(session, **cluster, *policies);
  if (!reply.ok()) return reply.status();
  for (const Json& change : PartAt(*reply, "/changes")) {
    session.out() << ChangedName(change) << " deleted" << NamespaceNote(change)
                  << (wanted.dry_run ? " (dry run)" : "") << "\n";
  }
  session.out().flush();
  const Json& refused = PartAt(*reply, "/refused");
  for (const Json& each : refused) {
    PrintError(UserError(LinesAt(each, "/error"), LinesAt(each, "/hint")),
               session.environment.has_colour, session.err());
  }
  const Json& missing = PartAt(*reply, "/missing");
  if (missing.empty() || wanted.ignore_not_found) return refused.empty() ? 0 : 1;
  return Missing(missing);
}

absl::StatusOr<int> Diff(Session& session) {
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
  const absl::Status fits = CheckNamespace(session, *files);
  if (!fits.ok()) return fits;
  const auto cluster = session.Cluster();
  if (!cluster.ok()) return cluster.status();
  if (*cluster != nullptr) return DiffWithCluster(session, **cluster, *files);
  const auto reply = session.Apply(*files, /*is_dry_run=*/true);
  if (!reply.ok()) return reply.status();
  bool differs = false;
  for (const Json& change : PartAt(*reply, "/changes")) {
    differs = PrintDiff(session, ChangedName(change), LinesAt(change, "/before"),
                        LinesAt(change, "/after")) ||
              differs;
  }
  return differs ? 1 : 0;
}

absl::StatusOr<int> Validate(Session& session) {
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
  const policy::ParsedFile parsed = files->Parse(session.Namespace());
  if (parsed.ok()) {
    session.out() << parsed.documents.size()
                  << (parsed.documents.size() == 1 ? " policy is" : " policies are") << " valid\n";
    return 0;
  }
  session.err() << ToText(parsed.problems);
  session.err() << parsed.problems.size()
                << (parsed.problems.size() == 1 ? " problem" : " problems")
                << " found; the policies would not be applied\n";
  return 1;
}

}  // namespace tulle::cli
