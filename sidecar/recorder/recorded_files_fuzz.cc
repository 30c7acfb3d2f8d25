// The file of a flight recorder, as tulle-sidecar --print-recorder reads it after a crash. The
// first byte says where the rest of the input lies in a sound file; what is before it stays.
// Whatever a file contains, the lines that are printed are JSON.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "sidecar/recorder/recorded_files.h"
#include "sidecar/recorder/ring.h"

namespace tulle::recorder {
namespace {

// The header, the labels of configurations, the first record and the first explanation.
constexpr size_t kPlaces[] = {0, 4096, 20480, 20480 + 2 * kRecordBytes};

// A file of a ring with few places, and its folder.
class SmallFile {
 public:
  SmallFile() {
    Ring ring(0, 2, 2);
    if (!ring.MoveToFile(folder_ + "/recorder-0").ok()) std::abort();
    file_ = open((folder_ + "/recorder-0.ring").c_str(), O_RDWR | O_CLOEXEC);
    sound_.resize(std::filesystem::file_size(folder_ + "/recorder-0.ring"));
    if (pread(file_, sound_.data(), sound_.size(), 0) < 0) std::abort();
  }
  ~SmallFile() {
    close(file_);
    std::filesystem::remove_all(folder_);
  }
  SmallFile(const SmallFile&) = delete;
  SmallFile& operator=(const SmallFile&) = delete;

  const std::string& folder() const { return folder_; }
  void Overwrite(size_t at, const uint8_t* data, size_t size) const {
    std::string bytes = sound_;
    bytes.replace(at, std::min(size, bytes.size() - at), reinterpret_cast<const char*>(data),
                  std::min(size, bytes.size() - at));
    if (pwrite(file_, bytes.data(), bytes.size(), 0) < 0) std::abort();
  }

 private:
  static std::string NewFolder() {
    std::string name = std::filesystem::temp_directory_path() / "recorder-fuzz-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    return name;
  }

  const std::string folder_ = NewFolder();
  int file_ = -1;
  std::string sound_;
};

}  // namespace
}  // namespace tulle::recorder

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tulle::recorder;
  static const SmallFile file;
  if (size == 0) return 0;
  file.Overwrite(kPlaces[data[0] % std::size(kPlaces)], data + 1, size - 1);
  const auto lines = RecordsOf(file.folder());
  if (!lines.ok()) return 0;
  std::istringstream each(*lines);
  for (std::string line; std::getline(each, line);)
    if (!nlohmann::json::accept(line)) std::abort();
  return 0;
}
