#include "net/http1/grammar.h"

#include <gtest/gtest.h>

#include <string>

namespace tulle::http1 {
namespace {

bool IsControl(int byte) { return (byte < 0x20 && byte != '\t') || byte == 0x7f; }

// Every byte at every place of texts of every length, alone and before another control byte.
TEST(FindControl, FindsTheFirstOneAtEachPlaceOfEachLength) {
  EXPECT_EQ(FindControl(""), 0u);
  for (size_t size = 1; size <= 50; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::string text(size, 'v');
      for (int byte = 0; byte < 256; ++byte) {
        text[at] = static_cast<char>(byte);
        ASSERT_EQ(FindControl(text), IsControl(byte) ? at : size) << size << " " << byte;
      }
      text[at] = '\r';
      text.back() = '\n';
      ASSERT_EQ(FindControl(text), at);
    }
  }
}

}  // namespace
}  // namespace tulle::http1
