// How a cluster chooses among its endpoints: ResiliencePolicy's loadBalancing, hashOn, slowStart,
// healthCheck and panicBelowPercent as Envoy's fields. Pure; any thread.
#pragma once

#include "control-plane/policy/model.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/route/v3/route.pb.h"

namespace tulle::snapshot {

void SetBalancing(const policy::ResiliencePolicy& policy,
                  envoy::config::cluster::v3::Cluster* cluster);
void SetHealthCheck(const policy::ResiliencePolicy& policy,
                    envoy::config::cluster::v3::Cluster* cluster);
// What requests are kept to an endpoint by.
void SetHashPolicy(const policy::ResiliencePolicy& policy,
                   envoy::config::route::v3::RouteAction* action);
// Whether connections are, where no request can be told. Null: no policy.
bool HashesSourceIp(const policy::ResiliencePolicy* policy);

}  // namespace tulle::snapshot
