// A mesh written in one YAML file: documents of kind Workload are instances, all others policies.
#pragma once

#include <string>

#include "control-plane/discovery/mesh.h"

namespace tulle::golden {

struct MeshFile {
  discovery::Mesh mesh;
  std::string node;   // id of the first workload: the view is made for it
  std::string error;  // empty when the file is good
};

MeshFile ReadMeshFile(const std::string& text);

}  // namespace tulle::golden
