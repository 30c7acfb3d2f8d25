#include "net/hash/xx_hash.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::hash {
namespace {

struct Vector {
  std::string bytes;
  uint64_t seed;
  uint64_t hash;
};

// Of the reference implementation.
TEST(XxHash, IsXxh64) {
  const Vector vectors[] = {
      {"", 0, 0xef46db3751d8e999u},
      {"a", 0, 0xd24ec4f1a98c6e5bu},
      {"abc", 0, 0x44bc2cf5ad770999u},
      {"abc", 42, 0x13c1d910702770e6u},
      {"message digest", 0, 0x066ed728fceeb3beu},
      {"abcdefghijklmnopqrstuvwxyz", 0, 0xcfe1f278fa89835cu},
      {"10.0.0.1:8080_0", 0, 0x23a29ae775dfd4a3u},
      {"0123456789abcdef0123456789abcdef", 0, 0x642a94958e71e6c5u},
      {"12345678901234567890123456789012345678901234567890123456789012345678901234567890", 0,
       0xe04a477f19ee145du},
      {std::string(101, 'x'), 7, 0x8c56c4a38c0fe55eu},
  };
  for (const Vector& one : vectors) EXPECT_EQ(XxHash64(one.bytes, one.seed), one.hash) << one.bytes;
}

}  // namespace
}  // namespace tulle::hash
