#include "control-plane/cli/file_set.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "control-plane/cli/files.h"
#include "control-plane/cli/list_file.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/policy/policy_set.h"

namespace tulle::cli {
namespace {

namespace fs = std::filesystem;

bool IsPolicyFile(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

template <typename Iterator>
std::vector<std::string> PolicyFilesOf(const std::string& path) {
  std::vector<std::string> found;
  std::error_code error;
  for (Iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (at->is_regular_file(error) && IsPolicyFile(at->path())) found.push_back(at->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

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
  FileSet files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (path == "-") {
      std::ostringstream text;
      text << in.rdbuf();
      files.Add("standard input", text.str());
    } else if (fs::is_directory(path, error)) {
      const absl::Status status = files.AddFolder(path, is_recursive);
      if (!status.ok()) return status;
    } else {
      auto text = ReadFile(path);
      if (!text.ok()) return text.status();
      files.Add(path, *std::move(text));
    }
  }
  return files;
}

absl::Status FileSet::AddFolder(const std::string& path, bool is_recursive) {
  const std::vector<std::string> found = is_recursive
                                             ? PolicyFilesOf<fs::recursive_directory_iterator>(path)
                                             : PolicyFilesOf<fs::directory_iterator>(path);
  if (found.empty()) {
    return UserError("no *.yaml, *.yml or *.json files found in " + path,
                     is_recursive ? "use another folder" : "use -R to include subfolders");
  }
  for (const std::string& file : found) {
    auto text = ReadFile(file);
    if (!text.ok()) return text.status();
    Add(file, *std::move(text));
  }
  return absl::OkStatus();
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
