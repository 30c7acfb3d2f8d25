#include "net/http2/zeroed_page.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace tulle::http2 {

void* ZeroedPage::Map() {
  static const bool kFits = sysconf(_SC_PAGESIZE) == static_cast<long>(kSize);
  if (!kFits) return nullptr;
  void* page = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  return page_ = page;
}

void ZeroedPage::Unmap() {
  if (page_ != nullptr) munmap(page_, kSize);
  page_ = nullptr;
}

bool ZeroedPage::Release() {
  if (page_ == nullptr) return true;
  const auto* words = static_cast<const uint64_t*>(page_);
  if (!std::all_of(words, words + kSize / sizeof *words, [](uint64_t word) { return word == 0; }))
    return false;
  return madvise(page_, kSize, MADV_DONTNEED) == 0;
}

}  // namespace tulle::http2
