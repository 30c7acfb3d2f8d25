// The Gateway API's conformance tests for meshes, compiled to a program that runs them against the cluster of KUBECONFIG.
package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// TestMesh is the suite; its flags are those of the suite.
func TestMesh(t *testing.T) {
	conformance.RunConformance(t)
}

// TestFeatures says which features --supported-features must name for every test of a mesh to run. It needs no cluster.
func TestFeatures(*testing.T) {
	needed := map[string]bool{}
	for _, each := range tests.ConformanceTests {
		if !slices.Contains(each.Features, features.SupportMesh) {
			continue
		}
		for _, feature := range each.Features {
			needed[string(feature)] = true
		}
	}
	fmt.Println("features=" + strings.Join(slices.Sorted(maps.Keys(needed)), ","))
}
