#include "control-plane/cli/waterfall.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "control-plane/diagnosis/hops.h"
#include "control-plane/diagnosis/request_text.h"
#include "net/usage/wrap.h"

namespace tulle::cli {
namespace {

using diagnosis::MicrosText;
using diagnosis::MicrosTime;

constexpr size_t kTraceWidth = 100;
constexpr size_t kLeastBar = 10;
constexpr size_t kTimeWidth = 8;
constexpr size_t kDeepest = 12;  // further ones are not indented more
constexpr int64_t kNanos = 1000;

struct Bar {
  size_t depth = 0;
  std::string label;
  int64_t start = 0;  // microseconds from the first
  int64_t micros = 0;
  int64_t mesh = -1;  // -1: the span does not say
  bool is_error = false;
};

int64_t BeginOf(const Json& span) {
  int64_t nanos = 0;
  return absl::SimpleAtoi(TextAt(span, "/startUnixNano"), &nanos) ? nanos / kNanos : 0;
}

// As TraceSummary counts it.
int64_t MeshOf(const Json& span) {
  if (TextAt(span, "/kind") != "server") return -1;
  const Json& attributes = PartAt(span, "/attributes");
  const auto found = attributes.find("tulle.mesh.microseconds");
  int64_t micros = 0;
  if (found == attributes.end() || !absl::SimpleAtoi(TextAt(*found, ""), &micros)) return -1;
  return micros;
}

// " 503 connect_failed" of one that failed, else its status.
std::string OutcomeOf(const Json& span) {
  const Json& attributes = PartAt(span, "/attributes");
  const auto text = [&attributes](const char* name) {
    const auto found = attributes.find(name);
    return found == attributes.end() ? std::string() : TextAt(*found, "");
  };
  std::string status = text("http.response.status_code");
  if (status.empty()) status = text("rpc.response.status_code");
  const std::string error = text("error.type");
  return (status.empty() ? "" : " " + status) +
         (error.empty() || error == status ? "" : " " + error);
}

std::string LabelOf(const Json& span) {
  const std::string kind = TextAt(span, "/kind");
  return absl::StrCat(TextAt(span, "/service"), " ", TextAt(span, "/name"),
                      kind.empty() ? "" : " (" + kind + ")", OutcomeOf(span));
}

// Spans below their parents, in order of time.
class Tree {
 public:
  explicit Tree(const Json& spans) : spans_(spans) {
    std::map<std::string, size_t> known;
    for (size_t i = 0; i < spans_.size(); ++i) known.emplace(TextAt(spans_[i], "/spanId"), i);
    for (size_t i = 0; i < spans_.size(); ++i) {
      const auto parent = known.find(TextAt(spans_[i], "/parentSpanId"));
      const bool has_one = parent != known.end() && parent->second != i;
      (has_one ? children_[parent->second] : roots_).push_back(i);
      begin_ = i == 0 ? BeginOf(spans_[i]) : std::min(begin_, BeginOf(spans_[i]));
    }
    visited_.resize(spans_.size());
  }
  std::vector<Bar> Rows() {
    for (const size_t root : roots_) Visit(root, 0);
    for (size_t i = 0; i < spans_.size(); ++i) Visit(i, 0);  // of a circle
    return std::move(rows_);
  }
  int64_t begin() const { return begin_; }

 private:
  // With all that is below it. A chain of parents is as long as there are spans.
  void Visit(size_t root, size_t depth) {
    std::vector<std::pair<size_t, size_t>> ahead = {{root, depth}};
    while (!ahead.empty()) {
      const auto [at, deep] = ahead.back();
      ahead.pop_back();
      if (visited_[at]) continue;
      visited_[at] = true;
      AddRow(spans_[at], deep);
      const auto children = children_.find(at);
      if (children == children_.end()) continue;
      for (auto child = children->second.rbegin(); child != children->second.rend(); ++child)
        ahead.emplace_back(*child, deep + 1);
    }
  }
  void AddRow(const Json& span, size_t depth) {
    rows_.push_back({std::min(depth, kDeepest), LabelOf(span), BeginOf(span) - begin_,
                     std::max<int64_t>(NumberAt(span, "/durationMicros"), 0), MeshOf(span),
                     TrueAt(span, "/error")});
  }

  const Json& spans_;
  std::map<size_t, std::vector<size_t>> children_;
  std::vector<size_t> roots_;
  std::vector<bool> visited_;
  std::vector<Bar> rows_;
  int64_t begin_ = 0;
};

std::string Padded(std::string text, size_t width) {
  const size_t has = usage::WidthOf(text);
  return has >= width ? text : text + std::string(width - has, ' ');
}

// At most `width` characters of UTF-8.
std::string Cut(const std::string& text, size_t width) {
  if (usage::WidthOf(text) <= width) return text;
  size_t end = 0;
  for (size_t shown = 0; end < text.size(); ++end) {
    const bool is_first = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
    if (is_first && ++shown == width) break;
  }
  return text.substr(0, end) + "~";
}

std::string BarOf(const Bar& row, int64_t whole, size_t width) {
  const auto column = [&](int64_t micros) {
    return static_cast<size_t>(
        std::clamp<int64_t>(micros * static_cast<int64_t>(width) / std::max<int64_t>(whole, 1), 0,
                            static_cast<int64_t>(width)));
  };
  const size_t begin = std::min(column(row.start), width - 1);
  const size_t end = std::max(column(row.start + row.micros), begin + 1);
  std::string bar(width, ' ');
  std::fill(bar.begin() + static_cast<std::ptrdiff_t>(begin),
            bar.begin() + static_cast<std::ptrdiff_t>(end), row.is_error ? '!' : '=');
  return "|" + bar + "|";
}

std::string MeshText(int64_t micros) { return micros < 0 ? "-" : MicrosText(micros); }

}  // namespace

std::string WaterfallOf(const Json& trace, size_t width) {
  if (width == 0) width = kTraceWidth;
  Tree tree(PartAt(trace, "/spans"));
  const std::vector<Bar> rows = tree.Rows();
  int64_t whole = 0;
  int64_t mesh = 0;
  bool is_known = false;
  size_t label = 4;
  for (const Bar& row : rows) {
    whole = std::max(whole, row.start + row.micros);
    mesh += std::max<int64_t>(row.mesh, 0);
    is_known = is_known || row.mesh >= 0;
    label = std::max(label, 2 * row.depth + usage::WidthOf(row.label));
  }
  label = std::min(label, std::max<size_t>(width / 2, 2 * kLeastBar));
  const size_t used = label + 2 * kTimeWidth + 4;
  const size_t bar = width > used + kLeastBar ? width - used - 1 : 0;
  std::string text =
      absl::StrCat("Trace ", TextAt(trace, "/traceId"), " at ", MicrosTime(tree.begin()), "\n",
                   MicrosText(whole),
                   is_known ? ", of which " + MicrosText(mesh) + " spent in sidecars" : "", "\n\n");
  absl::StrAppend(&text, Padded("SPAN", label), "  ", Padded("TOOK", kTimeWidth),
                  Padded("SIDECAR", kTimeWidth), "\n");
  for (const Bar& row : rows) {
    absl::StrAppend(&text, Padded(Cut(std::string(2 * row.depth, ' ') + row.label, label), label),
                    "  ", Padded(MicrosText(row.micros), kTimeWidth),
                    Padded(MeshText(row.mesh), kTimeWidth),
                    bar == 0 ? (row.is_error ? "!" : "") : BarOf(row, whole, bar), "\n");
  }
  return text;
}

}  // namespace tulle::cli
