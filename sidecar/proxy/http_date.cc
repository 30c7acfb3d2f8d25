#include "sidecar/proxy/http_date.h"

#include <cstdio>
#include <ctime>

namespace tulle::proxy {

// Not by strftime, whose names depend on the locale.
std::string_view HttpDate::At(std::chrono::system_clock::time_point now) {
  static constexpr char kDays[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr char kMonths[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int64_t second = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  constexpr std::string_view::size_type kSize = sizeof text_ - 1;
  if (second == second_) return {text_, kSize};
  second_ = second;
  const std::time_t time = second;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[utc.tm_wday],
                utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  std::string_view(text).substr(0, kSize).copy(text_, kSize);
  return {text_, kSize};
}

}  // namespace tulle::proxy
