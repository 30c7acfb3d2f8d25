// The dashboard as tulle-control serves it: files that are part of the program, the same for
// everybody. What they show comes from the API, with a credential. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "control-plane/dashboard/page_headers.h"

namespace tulle::dashboard {

struct PageReply {
  int status = 200;
  std::string_view body;  // of the program's own memory
  std::string_view media_type;
  PageHeaders headers;
};

// "/dashboard", and what is below it.
bool IsPagePath(std::string_view path);

// `known`: the value of If-None-Match. REQUIRES: IsPagePath(path).
PageReply AnswerPage(std::string_view method, std::string_view path, std::string_view known);

}  // namespace tulle::dashboard
