#include "net/base/out_of_memory.h"

#include <unistd.h>

#include <cstdlib>
#include <new>

namespace tulle {
namespace {

constexpr char kMessage[] =
    "out of memory: the system has refused memory without which this process cannot go on. It "
    "ends, and serves again from its last configuration when it is started anew. Give it more "
    "memory, or lower the limits on connections and requests.\n";
constexpr int kExitCode = 71;  // EX_OSERR

}  // namespace

void EndForWantOfMemory() {
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  std::_Exit(kExitCode);
}

void EndOnFailedNew() { std::set_new_handler(EndForWantOfMemory); }

}  // namespace tulle
