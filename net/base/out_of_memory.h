#pragma once

namespace tulle {

// Ends the process at once, with a message on standard error that says what to do. Any thread;
// allocates nothing.
[[noreturn]] void EndForWantOfMemory();

// From now on a failed operator new of any thread ends the process like that. For main().
void EndOnFailedNew();

}  // namespace tulle
