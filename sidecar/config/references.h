#pragma once

#include <set>
#include <string>

#include "sidecar/config/listener_spec.h"

// The names of other resources that a listener refers to. Pure; any thread. Each adds to `names`.
namespace tulle::config {

// Clusters that traffic is sent to, by the TCP proxy and by inline route tables.
void AddClustersOf(const ListenerSpec& listener, std::set<std::string>& names);
// Clusters of trace collectors: nothing waits for them.
void AddCollectorsOf(const ListenerSpec& listener, std::set<std::string>& names);
// Route configurations that are fetched by RDS.
void AddRoutesOf(const ListenerSpec& listener, std::set<std::string>& names);

}  // namespace tulle::config
