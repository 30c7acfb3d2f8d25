#include "control-plane/cli/interruption.h"

#include <csignal>

namespace tulle::cli {
namespace {

constexpr int kEnding[] = {SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t received = 0;

void Note(int signal) { received = signal; }

}  // namespace

Interruption::Interruption() {
  received = 0;
  struct sigaction action = {};
  action.sa_handler = Note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (int i = 0; i < 3; ++i) sigaction(kEnding[i], &action, &former_[i]);
}

Interruption::~Interruption() {
  for (int i = 0; i < 3; ++i) sigaction(kEnding[i], &former_[i], nullptr);
}

int Interruption::signal() const { return received; }

}  // namespace tulle::cli
