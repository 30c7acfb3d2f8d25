#include "net/http2/receive_windows.h"

#include <gtest/gtest.h>

namespace tulle::http2 {
namespace {

constexpr size_t kInitial = 64 * 1024;

// Doubles the measured window once.
void Measure(ReceiveWindows& windows) {
  while (!windows.OnReceived(1024)) {
  }
  windows.OnReceived(windows.largest());
  windows.OnProbeAnswered();
}

TEST(ReceiveWindowsTest, StreamsGrowToTheMeasuredWindow) {
  ReceiveWindows windows(kInitial);
  EXPECT_EQ(windows.Grow(0), 0);
  Measure(windows);
  EXPECT_EQ(windows.largest(), 2 * kInitial);
  EXPECT_EQ(windows.Grow(0), kInitial);
  EXPECT_EQ(windows.Grow(kInitial), 0);
  EXPECT_EQ(windows.Grow(kInitial / 2), kInitial / 2);
}

TEST(ReceiveWindowsTest, MuchHeldBodyStopsTheGrowth) {
  ReceiveWindows windows(kInitial);
  Measure(windows);
  windows.OnHeld(WindowTuner::kHeldBytes + 1);
  EXPECT_EQ(windows.Grow(0), 0);
  windows.OnReleased(1);
  EXPECT_EQ(windows.Grow(0), kInitial);
}

TEST(ReceiveWindowsTest, TheGrowthOfAllStreamsIsBounded) {
  ReceiveWindows windows(kInitial);
  while (windows.largest() < WindowTuner::kLargest) Measure(windows);
  const size_t growth = windows.Grow(0);
  EXPECT_EQ(growth, WindowTuner::kLargest - kInitial);
  EXPECT_EQ(windows.Grow(0), growth);
  EXPECT_EQ(windows.Grow(0), 0);
  windows.OnStreamDestroyed(growth);
  EXPECT_EQ(windows.Grow(0), growth);
}

}  // namespace
}  // namespace tulle::http2
