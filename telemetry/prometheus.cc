// Formats metrics for Prometheus.
#include "telemetry/prometheus.h"

#include <charconv>
#include <cmath>

namespace tulle::telemetry {
namespace {

void AppendNumber(std::string& out, uint64_t value) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

void AppendNumber(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else if (std::abs(value) < 1e15 && value == std::floor(value)) {
    char text[24];
    out.append(text, std::to_chars(text, text + sizeof(text), static_cast<int64_t>(value)).ptr);
  } else {
    char text[32];
    out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
  }
}

void AppendEscaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void AppendName(std::string& out, const FamilySpec& spec, std::string_view suffix,
                const Sample& sample, const double* bound) {
  out += spec.name;
  out += suffix;
  char before = '{';
  for (size_t i = 0; i < spec.labels.size(); ++i) {
    out += before;
    out += spec.labels[i];
    out += "=\"";
    AppendEscaped(out, sample.labels[i], true);
    out += '"';
    before = ',';
  }
  if (bound != nullptr) {
    out += before;
    out += "le=\"";
    AppendNumber(out, *bound);
    out += '"';
    before = ',';
  }
  if (before == ',') out += '}';
  out += ' ';
}

void AppendHistogram(std::string& out, const FamilySpec& spec, const Sample& sample,
                     bool with_buckets) {
  uint64_t count = 0;
  for (size_t i = 0; i < sample.buckets.size(); ++i) {
    count += sample.buckets[i];
    if (!with_buckets) continue;
    const double bound = i < spec.bounds.size() ? spec.bounds[i] : INFINITY;
    AppendName(out, spec, "_bucket", sample, &bound);
    AppendNumber(out, count);
    out += '\n';
  }
  AppendName(out, spec, "_sum", sample, nullptr);
  AppendNumber(out, sample.value);
  out += '\n';
  AppendName(out, spec, "_count", sample, nullptr);
  AppendNumber(out, count);
  out += '\n';
}

void AppendSample(std::string& out, const FamilySpec& spec, const Sample& sample,
                  bool with_buckets) {
  if (spec.kind == MetricKind::kHistogram) {
    AppendHistogram(out, spec, sample, with_buckets);
    return;
  }
  AppendName(out, spec, "", sample, nullptr);
  if (spec.kind == MetricKind::kCounter) {
    AppendNumber(out, sample.count);
  } else {
    AppendNumber(out, sample.value);
  }
  out += '\n';
}

std::string_view KindName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "counter";
    case MetricKind::kGauge:
      return "gauge";
    case MetricKind::kHistogram:
      return "histogram";
  }
  return "untyped";
}

}  // namespace

std::string PrometheusText(std::span<const FamilySamples> families) {
  std::string out;
  for (const FamilySamples& family : families) {
    out += "# HELP ";
    out += family.spec.name;
    out += ' ';
    AppendEscaped(out, family.spec.help, false);
    out += "\n# TYPE ";
    out += family.spec.name;
    out += ' ';
    out += KindName(family.spec.kind);
    out += '\n';
    for (const Sample& sample : family.samples) AppendSample(out, family.spec, sample, true);
  }
  return out;
}

std::string PlainText(std::span<const FamilySamples> families) {
  std::string out;
  for (const FamilySamples& family : families) {
    for (const Sample& sample : family.samples) AppendSample(out, family.spec, sample, false);
  }
  return out;
}

}  // namespace tulle::telemetry
