#pragma once

#include "net/base/slab.h"

namespace tulle::tls {

// While one of these lives, what BoringSSL allocates on this thread comes from `slab`; it goes back
// there whenever BoringSSL frees it, which must be on the slab's thread. Only around reading and
// writing of records: what a handshake makes may end up in objects shared between threads.
//
// Works through BoringSSL's hooks OPENSSL_memory_alloc, _free and _get_size, defined in memory.cc:
// the library leaves them undefined and weak, and asks for them when they are there.
class SlabScope {
 public:
  explicit SlabScope(Slab& slab);
  ~SlabScope();
  SlabScope(const SlabScope&) = delete;
  SlabScope& operator=(const SlabScope&) = delete;

 private:
  Slab* before_;
};

// While one of these lives, what BoringSSL allocates on this thread outside of a SlabScope comes
// from `source`, and goes back by free. Without one it comes from malloc. For tests of refusals.
class SourceScope {
 public:
  explicit SourceScope(MemorySource& source);
  ~SourceScope();
  SourceScope(const SourceScope&) = delete;
  SourceScope& operator=(const SourceScope&) = delete;
};

}  // namespace tulle::tls
