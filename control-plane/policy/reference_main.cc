// policy_reference FILE: writes the reference tables of the policies into FILE, docs/policies.md.
// policy_reference --check FILE: exits with 1 if they are out of date, and changes nothing.

#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "control-plane/policy/reference.h"

int main(int argc, char** argv) {
  const bool is_check = argc > 2 && std::string_view(argv[1]) == "--check";
  if (argc != (is_check ? 3 : 2)) {
    std::cerr << "usage: policy_reference [--check] FILE\n";
    return 2;
  }
  const std::string path = argv[argc - 1];
  std::ifstream in(path);
  const std::string page((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in || page.empty()) {
    std::cerr << "cannot read " << path << "\n";
    return 2;
  }
  std::vector<std::string_view> missing;
  const std::string updated = tulle::policy::WithReferences(page, &missing);
  for (const std::string_view kind : missing) {
    std::cerr << path << " has no table for " << kind << "; add `<!-- fields of " << kind
              << " -->` and `<!-- end of fields -->` where it belongs\n";
  }
  if (!missing.empty()) return 1;
  if (updated == page) return 0;
  if (is_check) {
    std::cerr << path << " is out of date; run `bazel run //control-plane/policy:policy_reference "
              << "-- $PWD/docs/policies.md`\n";
    return 1;
  }
  std::ofstream out(path);
  out << updated;
  return out.flush() ? 0 : 2;
}
