#include "sidecar/proxy/call.h"

#include "sidecar/proxy/services.h"

namespace tulle::proxy {

Call::Call(Services& its_services, const HttpChain& its_chain, Caller& its_caller)
    : services(its_services),
      chain(its_chain),
      caller(its_caller),
      arena(its_services.loop.slab()),
      cluster(its_services.clusters),
      retries(its_services.loop.slab()) {
  record.times.started = services.loop.Now();
  record.times.wall_started = services.loop.WallNow();
}

}  // namespace tulle::proxy
