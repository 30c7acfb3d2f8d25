// The policy files of one command, combined into one body so that all are applied or none. Maps
// lines of the body to lines of the files.
#pragma once

#include <istream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "control-plane/policy/parse.h"
#include "control-plane/policy/problem.h"

namespace tulle::cli {

class FileSet {
 public:
  // As ReadInputs() (files.h).
  static absl::StatusOr<FileSet> Read(const std::vector<std::string>& paths, bool is_recursive,
                                      std::istream& in);

  void Add(std::string name, std::string text);
  const std::string& Combined() const { return combined_; }
  // The name of the only file, or a word for several.
  std::string NameOfAll() const;
  // Moves a problem of the combined text to its file.
  void Place(policy::Problem* problem) const;
  // Each file judged by itself, then all together. Documents only without problems, their lines
  // those of Combined().
  policy::ParsedFile Parse(std::string_view default_ns = policy::kDefaultNamespace) const;
  size_t size() const { return files_.size(); }

 private:
  struct File {
    std::string name;
    std::string text;
    int lines_before;
    // Of a file with a list: where each line of `text` stood, from line 1; else empty.
    std::vector<int> lines_of_list;

    int LineOf(int line) const;
    // From a place in `text` to one in the file.
    void Locate(policy::Problem* problem) const;
  };

  std::vector<File> files_;
  std::string combined_;
  int lines_ = 0;
};

}  // namespace tulle::cli
