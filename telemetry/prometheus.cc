// Formats metrics for Prometheus.
#include "telemetry/prometheus.h"

#include <charconv>
#include <cmath>
#include <string>

#include "telemetry/hex.h"

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

void AppendHex(std::string& out, uint64_t value) {
  char digits[16];
  out.append(digits, PutHex(value, 16, digits));
}

// Its labels have 72 characters: OpenMetrics allows 128.
void AppendExemplar(std::string& out, const Exemplar& exemplar) {
  if (exemplar.unix_ms == 0) return;
  out += " # {trace_id=\"";
  AppendHex(out, exemplar.trace_high);
  AppendHex(out, exemplar.trace_low);
  out += "\",span_id=\"";
  AppendHex(out, exemplar.span);
  out += "\"} ";
  AppendNumber(out, exemplar.value);
  out += ' ';
  AppendNumber(out, static_cast<uint64_t>(exemplar.unix_ms / 1000));
  const std::string milliseconds = std::to_string(1000 + exemplar.unix_ms % 1000);
  out += '.';
  out += std::string_view(milliseconds).substr(1);
}

// The lines of one family.
class Lines {
 public:
  Lines(std::string& out, const FamilySpec& spec, bool with_exemplars)
      : out_(out), spec_(spec), with_exemplars_(with_exemplars) {}

  void Add(const Sample& sample, bool with_buckets) {
    SetLabels(sample.labels);
    switch (spec_.kind) {
      case MetricKind::kCounter:
        return AddLine("", sample.count);
      case MetricKind::kGauge:
        return AddLine("", sample.value);
      case MetricKind::kHistogram:
        return AddHistogram(sample, with_buckets);
    }
  }

 private:
  void SetLabels(const LabelValues& values) {
    labels_.clear();
    for (size_t i = 0; i < spec_.labels.size(); ++i) {
      if (i != 0) labels_ += ',';
      labels_ += spec_.labels[i];
      labels_ += "=\"";
      AppendEscaped(labels_, values[i], true);
      labels_ += '"';
    }
  }

  void AddHistogram(const Sample& sample, bool with_buckets) {
    uint64_t count = 0;
    for (size_t i = 0; i < sample.buckets.size(); ++i) {
      count += sample.buckets[i];
      if (with_buckets) AddBucket(sample, i, count);
    }
    AddLine("_sum", sample.value);
    AddLine("_count", count);
  }

  void AddBucket(const Sample& sample, size_t i, uint64_t count) {
    out_ += spec_.name;
    out_ += "_bucket{";
    out_ += labels_;
    out_ += labels_.empty() ? "le=\"" : ",le=\"";
    AppendNumber(out_, i < spec_.bounds.size() ? spec_.bounds[i] : INFINITY);
    out_ += "\"} ";
    AppendNumber(out_, count);
    if (with_exemplars_ && !sample.exemplars.empty()) AppendExemplar(out_, sample.exemplars[i]);
    out_ += '\n';
  }

  template <typename Number>
  void AddLine(std::string_view suffix, Number value) {
    out_ += spec_.name;
    out_ += suffix;
    if (!labels_.empty()) {
      out_ += '{';
      out_ += labels_;
      out_ += '}';
    }
    out_ += ' ';
    AppendNumber(out_, value);
    out_ += '\n';
  }

  std::string& out_;
  const FamilySpec& spec_;
  const bool with_exemplars_;
  std::string labels_;  // of the sample, without braces
};

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

std::string PrometheusText(std::span<const FamilySamples> families, bool with_exemplars) {
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
    Lines lines(out, family.spec, with_exemplars);
    for (const Sample& sample : family.samples) lines.Add(sample, true);
  }
  return out;
}

std::string PlainText(std::span<const FamilySamples> families) {
  std::string out;
  for (const FamilySamples& family : families) {
    Lines lines(out, family.spec, false);
    for (const Sample& sample : family.samples) lines.Add(sample, false);
  }
  return out;
}

}  // namespace tulle::telemetry
