#include "sidecar/admin/gzip.h"

#define ZLIB_CONST  // what is compressed is not changed
#include <zlib.h>

namespace tulle::admin {
namespace {

constexpr int kWindowBits = 15;
constexpr int kGzipFormat = 16;  // added to the bits of the window
constexpr int kMemoryLevel = 8;  // zlib's default: about 256 KiB while it compresses

}  // namespace

std::string Gzip(std::string_view text) {
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kWindowBits | kGzipFormat, kMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<const Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool is_whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(is_whole ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

}  // namespace tulle::admin
