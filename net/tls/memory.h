#pragma once

#include "net/base/slab.h"

namespace tulle::tls {

// While a SlabScope exists, BoringSSL allocates on this thread from `slab`. The memory returns
// there whenever BoringSSL frees it, which must be on the slab's thread. Use it only around reading
// and writing of records: what a handshake allocates may end up in objects shared between threads.
//
// Works through BoringSSL's hooks OPENSSL_memory_alloc, _free and _get_size, defined in
// memory.cc: the library declares them as weak symbols and uses them if they are defined.
class SlabScope {
 public:
  explicit SlabScope(Slab& slab);
  ~SlabScope();
  SlabScope(const SlabScope&) = delete;
  SlabScope& operator=(const SlabScope&) = delete;

 private:
  Slab* before_;
};

// While a SourceScope exists, BoringSSL allocates on this thread, outside a SlabScope, from
// `source` and frees with std::free. Without one it uses malloc. For tests of failed allocations.
class SourceScope {
 public:
  explicit SourceScope(MemorySource& source);
  ~SourceScope();
  SourceScope(const SourceScope&) = delete;
  SourceScope& operator=(const SourceScope&) = delete;
};

}  // namespace tulle::tls
