#include <algorithm>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/file_set.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/line_diff.h"
#include "control-plane/cli/selection.h"
#include "control-plane/cli/trouble.h"

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

std::string TextOf(const policy::Problems& problems) {
  std::string text = ToText(problems);
  if (!text.empty()) text.pop_back();
  return text;
}

// {kind, namespace, name} of each policy that shall go.
absl::StatusOr<Json> DoomedByName(Session& session) {
  const auto selection = ReadSelection(session.invocation.kind, session.invocation.names);
  if (!selection.ok()) return selection.status();
  Json doomed = Json::array();
  for (const Selected& selected : *selection) {
    if (selected.kind.empty() || selected.name.empty()) {
      return Trouble("it is not said what to delete", "name KIND and NAME, or a file by -f FILE");
    }
    doomed.push_back(
        {{"kind", selected.kind}, {"namespace", session.Namespace()}, {"name", selected.name}});
  }
  return doomed;
}

absl::StatusOr<Json> DoomedByFile(Session& session) {
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
  const policy::ParsedFile parsed = files->Parse(session.Namespace());
  if (!parsed.ok()) return Trouble("nothing was deleted:\n" + TextOf(parsed.problems));
  Json doomed = Json::array();
  for (const policy::Document& document : parsed.documents) {
    const policy::DocumentKey& key = document.key;
    doomed.push_back({{"kind", std::string(policy::ToText(key.kind))},
                      {"namespace", key.ns},
                      {"name", key.name}});
  }
  return doomed;
}

// One error for all of them, and one hint.
absl::Status Missing(const Json& missing) {
  std::string names;
  std::string lists;
  for (const Json& each : missing) {
    names += (names.empty() ? "there is no " : ", nor ") + ChangedName(each) + NamespaceNote(each);
    const std::string list = "`" + TextAt(each, "/list") + "`";
    if (lists.find(list) == std::string::npos) lists += (lists.empty() ? "see " : ", ") + list;
  }
  return Trouble(names, lists + " for those there are; --ignore-not-found passes over them");
}

// Whoever names a namespace means it: a document of another one would go where he does not look.
// Problems of the documents themselves are the server's to tell.
absl::Status CheckNamespace(Session& session, const FileSet& files) {
  const std::string& ns = session.invocation.ns;
  if (ns.empty()) return absl::OkStatus();
  for (const policy::Document& document : files.Parse(ns).documents) {
    if (document.key.ns == ns) continue;
    policy::Problem problem{"", document.line, "metadata.namespace",
                            "is " + document.key.ns + ", but -n names " + ns,
                            "leave out one of the two"};
    files.Place(&problem);
    return Trouble("nothing was applied:\n" + ToText(problem));
  }
  return absl::OkStatus();
}

void PrintDiff(Session& session, const std::string& diff) {
  if (!session.environment.has_colour) {
    session.out() << diff;
    return;
  }
  for (size_t at = 0; at < diff.size();) {
    const size_t end = std::min(diff.find('\n', at), diff.size());
    const char* colour = diff[at] == '+' ? "\033[32m" : diff[at] == '-' ? "\033[31m" : "";
    session.out() << colour << diff.substr(at, end - at) << (*colour != 0 ? "\033[0m\n" : "\n");
    at = end + 1;
  }
}

// What was taken, but does nothing as the mesh is now.
void PrintWarnings(Session& session, const Json& reply) {
  const Json& warnings = PartAt(reply, "/warnings");
  for (size_t i = 0; i < warnings.size(); ++i) {
    const Json& each = warnings[i];
    session.err() << (session.environment.has_colour ? "\033[33mwarning:\033[0m " : "warning: ")
                  << ChangedName(each) << NamespaceNote(each) << " " << TextAt(each, "/field")
                  << ": " << TextAt(each, "/warning") << "\n";
    // One hint for all that have the same.
    const std::string hint = TextAt(each, "/hint");
    const bool is_last = i + 1 == warnings.size() || TextAt(warnings[i + 1], "/hint") != hint;
    if (is_last) session.err() << "hint: " << hint << "\n";
  }
}

}  // namespace

absl::StatusOr<int> Apply(Session& session) {
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
  const absl::Status fits = CheckNamespace(session, *files);
  if (!fits.ok()) return fits;
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
  const auto doomed = wanted.files.empty() ? DoomedByName(session) : DoomedByFile(session);
  if (!doomed.ok()) return doomed.status();
  const auto reply = session.Post("/v1/delete", {{"items", *doomed}}, wanted.dry_run);
  if (!reply.ok()) return reply.status();
  for (const Json& change : PartAt(*reply, "/changes")) {
    session.out() << ChangedName(change) << " deleted" << NamespaceNote(change)
                  << (wanted.dry_run ? " (dry run)" : "") << "\n";
  }
  const Json& missing = PartAt(*reply, "/missing");
  if (missing.empty() || wanted.ignore_not_found) return 0;
  return Missing(missing);
}

absl::StatusOr<int> Diff(Session& session) {
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
  const absl::Status fits = CheckNamespace(session, *files);
  if (!fits.ok()) return fits;
  const auto reply = session.Apply(*files, /*is_dry_run=*/true);
  if (!reply.ok()) return reply.status();
  bool differs = false;
  for (const Json& change : PartAt(*reply, "/changes")) {
    const std::string diff =
        UnifiedDiff(ChangedName(change), TextAt(change, "/before"), TextAt(change, "/after"));
    differs = differs || !diff.empty();
    PrintDiff(session, diff);
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
                << "; such a file would not be applied\n";
  return 1;
}

}  // namespace tulle::cli
