#include "sidecar/recorder/recorded_files.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sidecar/recorder/flight_recorder.h"
#include "sidecar/recorder/record_message.h"

namespace tulle::recorder {
namespace {

using Json = nlohmann::ordered_json;

// Of one file.
constexpr size_t kMostLines = Ring::kRecords + Ring::kExplanations;

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& directory) {
  std::error_code error;
  std::vector<std::string> files;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with("recorder-") && name.ends_with(".ring")) files.push_back(name);
  }
  if (error) return absl::UnavailableError(absl::StrCat(directory, ": ", error.message()));
  if (files.empty()) {
    return absl::NotFoundError(absl::StrCat(
        directory, ": no files of a flight recorder; name the --state-dir of a sidecar"));
  }
  std::sort(files.begin(), files.end());
  return files;
}

// In ASCII: texts and names of files may have what controls a terminal.
std::string LineOf(const Found::One& one, const std::string& file) {
  std::string text;
  const auto message = MessageOf(*one.ring, one.record, one.explanation.get());
  if (!google::protobuf::util::MessageToJsonString(message, &text).ok()) return "";
  Json line = {{"file", file}};
  line.update(Json::parse(text, nullptr, false));
  return line.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

}  // namespace

absl::StatusOr<std::string> RecordsOf(const std::string& directory) {
  const auto files = FilesOf(directory);
  if (!files.ok()) return files.status();
  std::string lines;
  std::map<const Ring*, std::string> names;
  std::vector<std::unique_ptr<Ring>> rings;
  std::vector<const Ring*> all;
  for (const std::string& file : *files) {
    absl::StatusOr<Ring> ring = Ring::ReadFile(absl::StrCat(directory, "/", file));
    if (!ring.ok()) {
      const Json line = {{"file", file}, {"error", std::string(ring.status().message())}};
      lines += line.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
      continue;
    }
    rings.push_back(std::make_unique<Ring>(*std::move(ring)));
    all.push_back(rings.back().get());
    names[all.back()] = file;
  }
  const auto every = RecordFilter::Make({}, "");
  const Found found = FindIn(all, *every, all.size() * kMostLines);
  for (const Found::One& one : found.records) lines += LineOf(one, names[one.ring]);
  return lines;
}

}  // namespace tulle::recorder
