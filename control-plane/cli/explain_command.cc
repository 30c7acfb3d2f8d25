// `tullectl explain`: the fields of policies, from the tables that the parser reads them by.

#include <vector>

#include "control-plane/cli/commands.h"
#include "control-plane/cli/kinds.h"
#include "control-plane/cli/table.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/policy/kinds.h"
#include "net/usage/suggestion.h"
#include "net/usage/wrap.h"

namespace tulle::cli {
namespace {

using policy::Field;
using policy::ObjectFields;

constexpr size_t kUsualWidth = 80;

// Text wrapped to the terminal, each line indented.
void Print(Session& session, size_t indent, std::string_view text) {
  const size_t terminal = session.environment.width;
  const size_t width = terminal == 0 ? kUsualWidth : terminal;
  for (const std::string& line : usage::Wrapped(text, width > 2 * indent ? width - indent : 0)) {
    session.out() << std::string(indent, ' ') << line << "\n";
  }
}

// "timeouts  <object>  default: none"
std::string TitleOf(const Field& field) {
  std::string title = std::string(field.name) + "\t<" + policy::TypeText(field.type) + ">";
  if (field.is_required()) return title + " required";
  if (field.default_text.empty()) return title;
  return title + " default: " + std::string(field.default_text);
}

void PrintFields(Session& session, const ObjectFields& fields) {
  session.out() << "FIELDS:\n";
  for (const Field* field : fields.Supported()) {
    std::string title = TitleOf(*field);
    title.replace(title.find('\t'), 1, "  ");
    Print(session, 2, title);
    Print(session, 5, DescriptionOf(*field));
    session.out() << "\n";
  }
}

// The names of all fields below, as a tree.
void PrintTree(Session& session, const ObjectFields& fields, size_t indent) {
  for (const Field* field : fields.Supported()) {
    std::string title = TitleOf(*field);
    title.replace(title.find('\t'), 1, "  ");
    Print(session, indent, title);
    if (field->type.kind == policy::FieldKind::kObject) {
      PrintTree(session, field->type.object(), indent + 3);
    }
  }
}

int PrintKinds(Session& session) {
  Table table({"KIND", "SHORT NAME", "API VERSION", "DESCRIPTION"});
  for (const policy::KindEntry& kind : policy::AllKinds()) {
    table.AddRow({std::string(kind.name), std::string(kind.short_name),
                  std::string(kind.api_version), std::string(kind.summary)});
  }
  session.Show(table);
  return 0;
}

absl::Status UnknownField(const std::string& kind, const policy::FieldSearch& search) {
  std::vector<std::string> names;
  std::string known;
  const bool has_fields =
      search.field == nullptr || search.field->type.kind == policy::FieldKind::kObject;
  if (search.parent != nullptr && has_fields) {
    for (const Field* field : search.parent->Supported()) {
      names.emplace_back(field->name);
      known += (known.empty() ? "" : ", ") + names.back();
    }
  }
  return UserError("unknown field \"" + search.unknown + "\" of " + kind,
                   usage::DidYouMean(search.unknown, names, "known fields: " + known));
}

}  // namespace

absl::StatusOr<int> Explain(Session& session) {
  const std::string& path = session.invocation.name;
  if (path.empty()) return PrintKinds(session);
  const size_t dot = path.find('.');
  const auto name = KindNamed(path.substr(0, dot));
  if (!name.ok()) return name.status();
  const policy::KindEntry& kind = policy::EntryOf(*policy::ParseKind(*name));
  const std::string fields = dot == std::string::npos ? "" : path.substr(dot + 1);
  const policy::FieldSearch search = policy::FindField(kind.kind, fields);
  if (search.field == nullptr && !fields.empty()) return UnknownField(*name, search);
  session.out() << "KIND:     " << kind.name << "\nVERSION:  " << kind.api_version << "\n\n";
  const Field* field = search.field;
  if (field != nullptr) {
    std::string title = TitleOf(*field);
    Print(session, 0, "FIELD:    " + title.replace(title.find('\t'), 1, " "));
    session.out() << "\n";
  }
  session.out() << "DESCRIPTION:\n";
  Print(session, 5, field == nullptr ? std::string(kind.summary) + "." : DescriptionOf(*field));
  if (field != nullptr && field->type.kind != policy::FieldKind::kObject) return 0;
  const ObjectFields& below = field == nullptr ? *search.parent : field->type.object();
  session.out() << "\n";
  if (!session.invocation.recursive) {
    PrintFields(session, below);
    return 0;
  }
  session.out() << "FIELDS:\n";
  PrintTree(session, below, 2);
  return 0;
}

}  // namespace tulle::cli
