// Runs a fuzz target once on each file given as an argument, so that a corpus is an ordinary test.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "no inputs given: name the corpus files as arguments\n");
    return 1;
  }
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "%s: cannot be opened: is it in the test's data?\n", argv[i]);
      return 1;
    }
    // Printed before the run, so that the last line names the input that crashed.
    std::printf("%s\n", argv[i]);
    std::fflush(stdout);
    // vector, not string: AddressSanitizer then sees a read past the last byte.
    const std::vector<char> input{std::istreambuf_iterator<char>(file), {}};
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
  }
  std::printf("%d inputs replayed\n", argc - 1);
  return 0;
}
