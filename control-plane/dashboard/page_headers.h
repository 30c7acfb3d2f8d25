// How the dashboard's files are sent, by whoever sends them. Values; any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tulle::dashboard {

inline constexpr std::string_view kPagePath = "/dashboard/";

using PageHeaders = std::vector<std::pair<std::string, std::string>>;

// Nothing but the page's own files runs, nobody frames it, and it talks to its own server only.
PageHeaders SecurityHeaders();

// By the end of the name: "text/html; charset=utf-8". A path without a name is index.html.
std::string_view MediaTypeOf(std::string_view path);

}  // namespace tulle::dashboard
