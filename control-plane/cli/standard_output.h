// What happens when standard output can no longer be written: as with other programs, a reader that
// has gone (`tullectl tap | head`) ends the command by SIGPIPE, and a full disk is an error, since
// a token that was created and not shown is lost.
#pragma once

#include <ostream>

namespace tulle::cli {

// Flushes; does not return if `out`, which writes to the descriptor 1, has failed.
void EndIfUnwritable(std::ostream& out);

}  // namespace tulle::cli
