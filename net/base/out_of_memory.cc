#include "net/base/out_of_memory.h"

#include <unistd.h>

#include <cstdlib>
#include <new>

namespace tulle {
namespace {

constexpr char kMessage[] =
    "out of memory: the system refused an allocation that this process needs. It "
    "exits, and serves from its last configuration after a restart. Give it more "
    "memory, or lower the limits on connections and requests.\n";
constexpr int kExitCode = 71;  // EX_OSERR

}  // namespace

void ExitOutOfMemory() {
  [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, kMessage, sizeof kMessage - 1);
  std::_Exit(kExitCode);
}

void ExitOnFailedNew() { std::set_new_handler(ExitOutOfMemory); }

}  // namespace tulle
