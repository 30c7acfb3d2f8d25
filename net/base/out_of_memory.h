#pragma once

namespace tulle {

// Ends the process at once with exit code 71 and a message on standard error that says what to do.
// Any thread; allocates nothing.
[[noreturn]] void ExitOutOfMemory();

// From now on a failed operator new on any thread calls ExitOutOfMemory. Call from main().
void ExitOnFailedNew();

}  // namespace tulle
