// Whether names of services can be resolved on this host. Pure.
#pragma once

#include <string>

#include "k8s/init/check.h"

namespace tulle::init {

// `resolv_conf` and `hosts`: the contents of the files, empty if there are none. Never a failure: a
// workload may call addresses only.
Check CheckNames(const std::string& resolv_conf, const std::string& hosts,
                 const std::string& vip_range);

}  // namespace tulle::init
