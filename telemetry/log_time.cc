// Formats times like strftime, without its locks.
#include "telemetry/log_time.h"

#include <charconv>
#include <chrono>
#include <ctime>

namespace tulle::telemetry {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

struct Moment {
  int64_t seconds;
  int64_t fraction;  // nanoseconds
  std::tm utc;
};

// gmtime_r without the C library's lock on time zones.
std::tm UtcOf(int64_t seconds) {
  using namespace std::chrono;
  const sys_seconds at{std::chrono::seconds(seconds)};
  const sys_days day = floor<days>(at);
  const year_month_day date(day);
  const hh_mm_ss time(at - day);
  std::tm utc{};
  utc.tm_year = static_cast<int>(date.year()) - 1900;
  utc.tm_mon = static_cast<int>(static_cast<unsigned>(date.month())) - 1;
  utc.tm_mday = static_cast<int>(static_cast<unsigned>(date.day()));
  utc.tm_hour = static_cast<int>(time.hours().count());
  utc.tm_min = static_cast<int>(time.minutes().count());
  utc.tm_sec = static_cast<int>(time.seconds().count());
  utc.tm_wday = static_cast<int>(weekday(day).c_encoding());
  utc.tm_yday = static_cast<int>((day - sys_days(date.year() / January / 1)).count());
  utc.tm_zone = "UTC";
  return utc;
}

Moment At(int64_t nanoseconds) {
  Moment moment{nanoseconds / kSecond, nanoseconds % kSecond, {}};
  if (moment.fraction < 0) {
    moment.fraction += kSecond;
    --moment.seconds;
  }
  moment.utc = UtcOf(moment.seconds);
  return moment;
}

void AppendDigits(std::string& out, int64_t value, int digits) {
  char text[20];
  for (int i = digits - 1; i >= 0; --i) {
    text[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out.append(text, static_cast<size_t>(digits));
}

void AppendFraction(std::string& out, int64_t fraction, int digits) {
  for (int i = digits; i < 9; ++i) fraction /= 10;
  AppendDigits(out, fraction, digits);
}

void AppendIso(std::string& out, const Moment& moment) {
  AppendDigits(out, moment.utc.tm_year + 1900, 4);
  out += '-';
  AppendDigits(out, moment.utc.tm_mon + 1, 2);
  out += '-';
  AppendDigits(out, moment.utc.tm_mday, 2);
  out += 'T';
  AppendDigits(out, moment.utc.tm_hour, 2);
  out += ':';
  AppendDigits(out, moment.utc.tm_min, 2);
  out += ':';
  AppendDigits(out, moment.utc.tm_sec, 2);
  out += '.';
  AppendFraction(out, moment.fraction, 3);
  out += 'Z';
}

// The conversion at the front of `format`, which begins with '%'; returns its length.
size_t AppendConversion(std::string& out, std::string_view format, const Moment& moment) {
  if (format.size() < 2) {
    out += '%';
    return 1;
  }
  if (format[1] == 'f') {
    AppendFraction(out, moment.fraction, 9);
    return 2;
  }
  if (format[1] >= '1' && format[1] <= '9' && format.size() > 2 && format[2] == 'f') {
    AppendFraction(out, moment.fraction, format[1] - '0');
    return 3;
  }
  if (format[1] == 's') {
    char text[24];
    out.append(text, std::to_chars(text, text + sizeof(text), moment.seconds).ptr);
    return 2;
  }
  const char conversion[] = {'%', format[1], '\0'};
  char text[128];
  out.append(text, std::strftime(text, sizeof(text), conversion, &moment.utc));
  return 2;
}

}  // namespace

void AppendTime(std::string& out, std::string_view format, int64_t nanoseconds) {
  const Moment moment = At(nanoseconds);
  if (format.empty()) {
    AppendIso(out, moment);
    return;
  }
  while (!format.empty()) {
    const size_t percent = format.find('%');
    out += format.substr(0, percent);
    if (percent == format.npos) return;
    format.remove_prefix(percent);
    format.remove_prefix(AppendConversion(out, format, moment));
  }
}

}  // namespace tulle::telemetry
