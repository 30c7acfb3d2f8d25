#pragma once

#include <cstddef>
#include <new>

#include "net/base/slab.h"

namespace tulle {

// Mix-in for objects of the data path that live in the worker's slab: `new (slab) T(...)`, plain
// delete (also through Deletable).
class SlabAllocated {
 public:
  static void* operator new(size_t size, Slab& slab) {
    void* memory = slab.Allocate(size + kHeader);
    *static_cast<Slab**>(memory) = &slab;
    return static_cast<char*>(memory) + kHeader;
  }
  // The compiler calls this with the size of the most derived type.
  static void operator delete(void* object, size_t size) {
    char* memory = static_cast<char*>(object) - kHeader;
    (*reinterpret_cast<Slab**>(memory))->Free(memory, size + kHeader);
  }
  // Only called when a constructor throws; ours do not.
  static void operator delete(void*, Slab&) {}

 private:
  static constexpr size_t kHeader = alignof(std::max_align_t);
};

}  // namespace tulle
