// What the client of a session holds, copied out of it. Thread: the session's.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "xds/server/session.h"

namespace tulle::xds {

using TypeStatuses = std::map<std::string, TypeStatus, std::less<>>;  // by type URL

inline TypeStatuses StatusesOf(const Session& session) {
  TypeStatuses all;
  for (const std::string_view type : session.RequestedTypes()) {
    TypeStatus& status = all[std::string(type)];
    session.ForEach(type, [&status](const HeldResource& held) {
      status[std::string(held.name)] = {std::string(held.version), held.delivery,
                                        std::string(held.error)};
    });
  }
  return all;
}

}  // namespace tulle::xds
