#include <algorithm>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/file_set.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/line_diff.h"
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

// What a deleted policy's line says. Not found is no failure if so wanted.
absl::StatusOr<bool> DeleteOne(Session& session, const std::string& kind, const std::string& ns,
                               const std::string& name) {
  const auto reply = session.Delete("/v1/policies/" + kind + "/" + ns + "/" + name);
  if (reply.ok()) {
    session.out() << ShortName(kind, name) << " deleted" << NamespaceNote({{"namespace", ns}})
                  << "\n";
    return true;
  }
  if (session.was_not_found() && session.invocation.ignore_not_found) return true;
  if (!session.was_not_found()) return reply.status();
  PrintTrouble(reply.status(), session.environment.has_colour, session.err());
  return false;
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

}  // namespace

absl::StatusOr<int> Apply(Session& session) {
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
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
  return 0;
}

absl::StatusOr<int> Delete(Session& session) {
  const Invocation& wanted = session.invocation;
  if (wanted.files.empty()) {
    if (wanted.kind.empty() || wanted.name.empty()) {
      return Trouble("it is not said what to delete", "name KIND and NAME, or a file by -f FILE");
    }
    const auto kind = KindNamed(wanted.kind);
    if (!kind.ok()) return kind.status();
    const auto deleted = DeleteOne(session, *kind, session.Namespace(), wanted.name);
    if (!deleted.ok()) return deleted.status();
    return *deleted ? 0 : 1;
  }
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
  const policy::ParsedFile parsed = files->Parse();
  if (!parsed.ok()) return Trouble("nothing was deleted:\n" + TextOf(parsed.problems));
  bool all_deleted = true;
  for (const policy::Document& document : parsed.documents) {
    const auto deleted = DeleteOne(session, std::string(policy::ToText(document.key.kind)),
                                   document.key.ns, document.key.name);
    if (!deleted.ok()) return deleted.status();
    all_deleted = *deleted && all_deleted;
  }
  return all_deleted ? 0 : 1;
}

absl::StatusOr<int> Diff(Session& session) {
  const auto files = ReadFiles(session);
  if (!files.ok()) return files.status();
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
  const policy::ParsedFile parsed = files->Parse();
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
