// The format is POSIX' ustar: for each file a header of 512 bytes and its text in blocks of 512,
// and two blocks of zeros at the end.

#include "control-plane/cli/tar_archive.h"

#include <algorithm>
#include <cstring>

#define ZLIB_CONST  // what is compressed is not changed
#include <zlib.h>

namespace tulle::cli {
namespace {

constexpr size_t kBlock = 512;

struct UstarHeader {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char modified[12];
  char checksum[8];
  char type;
  char link[100];
  char magic[6];
  char version[2];
  char user[32];
  char group[32];
  char device_major[8];
  char device_minor[8];
  char prefix[155];
  char rest[12];
};
static_assert(sizeof(UstarHeader) == kBlock);

// With leading zeros, in all of the field but for `rest` bytes at its end.
template <size_t kSize>
void SetOctal(char (&field)[kSize], uint64_t number, size_t rest = 1) {
  for (size_t i = kSize - rest; i-- > 0; number /= 8)
    field[i] = static_cast<char>('0' + number % 8);
}

// Of all bytes, those of the checksum taken as blanks.
unsigned ChecksumOf(const UstarHeader& header) {
  unsigned char bytes[kBlock];
  std::memcpy(bytes, &header, kBlock);
  unsigned sum = 0;
  for (const unsigned char byte : bytes) sum += byte;
  return sum;
}

UstarHeader HeaderOf(std::string_view path, uint64_t size, uint64_t modified_at) {
  UstarHeader header{};
  std::memcpy(header.name, path.data(), std::min(path.size(), sizeof header.name));
  SetOctal(header.mode, 0600);
  SetOctal(header.uid, 0);
  SetOctal(header.gid, 0);
  SetOctal(header.size, size);
  SetOctal(header.modified, modified_at);
  std::memset(header.checksum, ' ', sizeof header.checksum);
  header.type = '0';
  std::memcpy(header.magic, "ustar", sizeof header.magic);
  std::memcpy(header.version, "00", sizeof header.version);
  const unsigned checksum = ChecksumOf(header);
  header.checksum[6] = '\0';
  SetOctal(header.checksum, checksum, 2);
  return header;
}

}  // namespace

void TarArchive::Add(std::string_view path, std::string_view text) {
  const UstarHeader header =
      HeaderOf(path, text.size(), static_cast<uint64_t>(std::max<int64_t>(modified_at_, 0)));
  blocks_.append(reinterpret_cast<const char*>(&header), kBlock);
  blocks_ += text;
  blocks_.append((kBlock - text.size() % kBlock) % kBlock, '\0');
}

std::string TarArchive::Gzipped() const {
  constexpr int kWindowBits = 15;
  constexpr int kGzipFormat = 16;  // added to the bits of the window
  constexpr int kMemoryLevel = 8;
  const std::string whole = blocks_ + std::string(2 * kBlock, '\0');
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindowBits | kGzipFormat,
                   kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  std::string out(deflateBound(&stream, whole.size()), '\0');
  stream.next_in = reinterpret_cast<const Bytef*>(whole.data());
  stream.avail_in = static_cast<uInt>(whole.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool is_whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(is_whole ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

}  // namespace tulle::cli
