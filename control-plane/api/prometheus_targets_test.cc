#include "control-plane/api/prometheus_targets.h"

#include <gtest/gtest.h>

namespace tulle::api {
namespace {

discovery::Mesh MeshWith(const std::string& id) {
  discovery::Mesh mesh;
  discovery::Workload workload;
  workload.address = "10.0.0.1";
  workload.metadata["tulle.dev/metrics-port"] = "15090";
  mesh.workloads[id] = workload;
  return mesh;
}

TEST(PrometheusPage, IsMadeOnceForEachVersionOfTheMesh) {
  PrometheusPage page;
  const std::string one = page.Text(MeshWith("one"), 1);
  EXPECT_NE(one.find("\"10.0.0.1:15090\""), std::string::npos) << one;
  EXPECT_EQ(page.Text(MeshWith("two"), 1), one);
  EXPECT_NE(page.Text(MeshWith("two"), 2).find("\"two\""), std::string::npos);
}

}  // namespace
}  // namespace tulle::api
