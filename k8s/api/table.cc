// Source: Kubernetes API Concepts (receiving resources as tables), meta/v1 Table.
#include "k8s/api/table.h"

#include <algorithm>

namespace tulle::k8s {

Json Table::Read(const Json& json) {
  if (TextAt(json, {"kind"}) != "Table") return {};
  if (const Json& columns = At(json, {"columnDefinitions"}); columns.is_array()) {
    columns_.clear();
    for (const Json& column : columns) columns_.push_back(TextAt(column, {"name"}));
  }
  Json rows = Json::array();
  for (const Json& row : At(json, {"rows"})) {
    const Json& cells = At(row, {"cells"});
    const size_t count = cells.is_array() ? std::min(cells.size(), columns_.size()) : 0;
    Json object{{"metadata", At(row, {"object", "metadata"})},
                {"conditions", At(row, {"conditions"})}};
    for (size_t i = 0; i < count; ++i) object["cells"][columns_[i]] = cells[i];
    rows.push_back(std::move(object));
  }
  return rows;
}

}  // namespace tulle::k8s
