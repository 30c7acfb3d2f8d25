#include "net/http2/zeroed_page.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace tulle::http2 {
namespace {

std::atomic<int> mapped = 0;  // pages of the process

}  // namespace

void* ZeroedPage::Map() {
  static const bool kFits = sysconf(_SC_PAGESIZE) == static_cast<long>(kSize);
  if (!kFits || mapped >= kMostOfProcess) return nullptr;
  void* page = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  mapped.fetch_add(1, std::memory_order_relaxed);
  return page_ = page;
}

void ZeroedPage::Unmap() {
  // It may fail where it would split a mapping; the count then stays.
  if (page_ != nullptr && munmap(page_, kSize) == 0) mapped.fetch_sub(1, std::memory_order_relaxed);
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
