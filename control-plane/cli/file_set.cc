#include "control-plane/cli/file_set.h"

#include <algorithm>
#include <map>
#include <utility>

#include "control-plane/cli/files.h"
#include "control-plane/cli/list_file.h"
#include "control-plane/policy/policy_set.h"

namespace tulle::cli {
namespace {

// The file and line of each document.
using Places = std::map<policy::DocumentKey, std::string>;

void RefuseDuplicates(const std::vector<policy::Document>& documents, const std::string& file,
                      Places* places, policy::Problems* problems) {
  for (const policy::Document& document : documents) {
    const auto [first, is_new] =
        places->emplace(document.key, file + ":" + std::to_string(document.line));
    if (is_new) continue;
    problems->push_back({file, document.line, 0, "metadata.name",
                         "duplicate " + policy::ToText(document.key) + " in two files",
                         "remove one of the two; the first is at " + first->second});
  }
}

}  // namespace

absl::StatusOr<FileSet> FileSet::Read(const std::vector<std::string>& paths, bool is_recursive,
                                      std::istream& in) {
  auto inputs = ReadInputs(paths, is_recursive, in);
  if (!inputs.ok()) return inputs.status();
  FileSet files;
  for (InputFile& input : *inputs) files.Add(std::move(input.name), std::move(input.text));
  return files;
}

int FileSet::File::LineOf(int line) const {
  const size_t at = static_cast<size_t>(line);
  return line > 0 && at <= lines_of_list.size() ? lines_of_list[at - 1] : line;
}

void FileSet::File::Locate(policy::Problem* problem) const {
  problem->line = LineOf(problem->line);
  if (!lines_of_list.empty()) problem->column = 0;  // those of `text` differ
}

void FileSet::Add(std::string name, std::string text) {
  if (!combined_.empty()) {
    combined_ += "---\n";
    ++lines_;
  }
  std::vector<int> lines_of_list;
  if (auto list = UnwrapList(text)) {
    text = std::move(list->text);
    lines_of_list = std::move(list->lines);
  }
  files_.push_back({std::move(name), text, lines_, std::move(lines_of_list)});
  if (!text.empty() && text.back() != '\n') text += '\n';
  lines_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  combined_ += text;
}

std::string FileSet::NameOfAll() const { return files_.size() == 1 ? files_[0].name : "files"; }

void FileSet::Place(policy::Problem* problem) const {
  if (problem->line <= 0) return;
  for (auto file = files_.rbegin(); file != files_.rend(); ++file) {
    if (problem->line <= file->lines_before) continue;
    problem->file = file->name;
    problem->line -= file->lines_before;
    file->Locate(problem);
    return;
  }
}

policy::ParsedFile FileSet::Parse(std::string_view default_ns) const {
  policy::ParsedFile all;
  Places places;
  for (const File& file : files_) {
    policy::ParsedFile parsed = policy::ParseDocuments(file.text, file.name, default_ns);
    for (policy::Problem& problem : parsed.problems) file.Locate(&problem);
    all.problems.insert(all.problems.end(), parsed.problems.begin(), parsed.problems.end());
    for (policy::Document& document : parsed.documents) document.line = file.LineOf(document.line);
    RefuseDuplicates(parsed.documents, file.name, &places, &all.problems);
  }
  if (!all.ok()) return all;
  all = policy::ParseDocuments(combined_, NameOfAll(), default_ns);
  policy::PolicySet set;
  for (const policy::Document& document : all.documents) set.Upsert(document);
  if (all.ok()) all.problems = set.FindConflicts(all.documents, NameOfAll());
  for (policy::Problem& problem : all.problems) Place(&problem);
  if (!all.ok()) all.documents.clear();
  return all;
}

}  // namespace tulle::cli
