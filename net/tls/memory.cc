// Each allocation of BoringSSL is prefixed with its size and its slab (null: malloc), so that it is
// returned correctly in whatever scope it is freed.
#include "net/tls/memory.h"

#include <string.h>

#include <cstdlib>

namespace {

// The only thread_locals of the project: the hooks have no other way to find the worker.
thread_local tulle::Slab* current_slab = nullptr;
thread_local tulle::MemorySource* current_source = nullptr;

// Outside of a SlabScope.
void* TakeFromSource(size_t size) {
  return current_source != nullptr ? current_source->Take(size) : std::malloc(size);
}

struct alignas(16) Prefix {
  tulle::Slab* slab;
  size_t size;
};

}  // namespace

extern "C" {

void* OPENSSL_memory_alloc(size_t size) {
  tulle::Slab* slab = current_slab;
  const size_t whole = size + sizeof(Prefix);
  if (whole < size) return nullptr;
  void* memory = slab != nullptr ? slab->TryAllocate(whole) : TakeFromSource(whole);
  if (memory == nullptr) return nullptr;
  auto* prefix = static_cast<Prefix*>(memory);
  *prefix = {slab, size};
  return prefix + 1;
}

void OPENSSL_memory_free(void* memory) {
  if (memory == nullptr) return;
  auto* prefix = static_cast<Prefix*>(memory) - 1;
  tulle::Slab* slab = prefix->slab;
  const size_t size = prefix->size;
  // The library expects the hook to clear keys.
  explicit_bzero(memory, size);
  if (slab != nullptr) {
    slab->Free(prefix, size + sizeof(Prefix));
  } else {
    std::free(prefix);
  }
}

size_t OPENSSL_memory_get_size(void* memory) {
  return memory == nullptr ? 0 : (static_cast<Prefix*>(memory) - 1)->size;
}

}  // extern "C"

namespace tulle::tls {

SlabScope::SlabScope(Slab& slab) : before_(current_slab) { current_slab = &slab; }

SlabScope::~SlabScope() { current_slab = before_; }

SourceScope::SourceScope(MemorySource& source) { current_source = &source; }

SourceScope::~SourceScope() { current_source = nullptr; }

}  // namespace tulle::tls
