// A .tar.gz in memory: small files that everybody can unpack. Owner and thread: the command's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tulle::cli {

class TarArchive {
 public:
  // `modified_at`: of all files, in seconds since the epoch.
  explicit TarArchive(int64_t modified_at) : modified_at_(modified_at) {}

  // REQUIRES: 1 to 100 bytes of `path`, which is relative, and less than 8 GiB of text.
  void Add(std::string_view path, std::string_view text);
  // All of it, compressed; empty: there is no memory for it.
  std::string Gzipped() const;

 private:
  const int64_t modified_at_;
  std::string blocks_;
};

}  // namespace tulle::cli
