#include "sidecar/admin/accept.h"

#include <gtest/gtest.h>

namespace tulle::admin {
namespace {

TEST(Accept, QualitiesOfMentions) {
  EXPECT_EQ(QualityOf("gzip", "gzip"), 1);
  EXPECT_EQ(QualityOf("deflate, GZIP ;q=0.5", "gzip"), 0.5);
  EXPECT_EQ(QualityOf("text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
                      "text/plain"),
            0.4);
}

TEST(Accept, WhatIsNotMentionedOrRefusedHasNone) {
  for (const char* header :
       {"", "*", "gzip;q=0", "gzip;q=0.0", "xgzip", "gzipx", "deflate", "identity;q=1;gzip", ",;,",
        "gzip;q=", "gzip;q=two", "gzip;q=nan", "gzip;q=-1", "gzip;q=1e99"}) {
    EXPECT_EQ(QualityOf(header, "gzip"), 0) << header;
  }
}

}  // namespace
}  // namespace tulle::admin
