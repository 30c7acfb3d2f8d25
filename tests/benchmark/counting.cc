// Preloaded into a process, counts its calls of malloc and related functions and of
// pthread_mutex_lock, in two words of the file named by TULLE_COUNTS. Other processes may map the
// file and read them at any time.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

struct Counts {
  std::atomic<uint64_t> allocations;
  std::atomic<uint64_t> locks;
};

Counts before_the_file;
Counts* counts = &before_the_file;

__attribute__((constructor)) void MapTheFile() {
  const char* path = std::getenv("TULLE_COUNTS");
  if (path == nullptr) return;
  const int descriptor = open(path, O_RDWR);
  if (descriptor < 0) return;
  void* mapped = mmap(nullptr, sizeof(Counts), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (mapped != MAP_FAILED) counts = static_cast<Counts*>(mapped);
}

}  // namespace

extern "C" {

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  counts->allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
  counts->allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}

void* realloc(void* memory, size_t size) {
  counts->allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(memory, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  counts->allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, size_t alignment, size_t size) {
  counts->allocations.fetch_add(1, std::memory_order_relaxed);
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? 12 : 0;
}

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  using Lock = int (*)(pthread_mutex_t*);
  static std::atomic<Lock> next;
  Lock lock = next.load(std::memory_order_relaxed);
  if (lock == nullptr) {
    lock = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
    next.store(lock, std::memory_order_relaxed);
  }
  counts->locks.fetch_add(1, std::memory_order_relaxed);
  return lock(mutex);
}

}  // extern "C"
