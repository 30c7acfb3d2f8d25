// One trace as a waterfall, with the sidecars' own time shown apart.
import {get, path} from "./api.js";
import {card, element, note, show} from "./dom.js";
import {dateTime, flagText, micros, nanosAsMicros} from "./format.js";
import {outcomeBadge} from "./traces.js";

const SIDECAR_TIME = "tulle.mesh.microseconds";
const MOST_SPANS = 500;
const TICKS = 4;
// Sidecars send their spans apart from each other: a trace that has just ended grows for some seconds.
const GROWS_FOR = 30e3;
const LOOK_AGAIN = 2e3;

// What its spans say together, as the control plane's lists do.
function traceOf({traceId, spans: found}) {
  const spans = found.map((span) => ({...span, start: nanosAsMicros(span.startUnixNano), end: nanosAsMicros(span.startUnixNano) + span.durationMicros}));
  const known = new Set(spans.map((span) => span.spanId));
  const root = spans.find((span) => !known.has(span.parentSpanId)) ?? spans[0];
  const start = spans.reduce((least, span) => Math.min(least, span.start), Infinity);
  return {
    id: traceId, spans, root, start,
    duration: spans.reduce((most, span) => Math.max(most, span.end), 0) - start,
    state: root.error ? "bad" : spans.some((span) => span.error) ? "fair" : "good",
    status: attribute(root, "http.response.status_code", "http.status_code") || (root.error ? "failed" : "ok"),
    sidecar: spans.reduce((sum, span) => sum + (span.kind === "server" ? sidecarTime(span) : 0), 0),
    what: `${attribute(root, "http.request.method", "http.method")} ${attribute(root, "url.path", "http.target", "http.url")}`.trim() || root.name,
  };
}

function attribute(span, ...names) {
  for (const name of names) if (span.attributes[name] !== undefined) return span.attributes[name];
  return "";
}

// That of a client span is a part of its server span's.
const sidecarTime = (span) => Number(span.attributes[SIDECAR_TIME] ?? 0) || 0;

export class TracePage {
  constructor(main, [id]) {
    this.main = main;
    this.id = id ?? "";
    this.opened = Date.now();
  }

  get period() {
    return Date.now() - this.opened < GROWS_FOR ? LOOK_AGAIN : 3600e3;
  }

  async refresh(signal) {
    this.trace = traceOf(await get(path`/v1/traces/${this.id}`, {}, signal));
  }

  // Again only if it has grown.
  render() {
    if (this.shownSpans === this.trace.spans.length) return;
    this.shownSpans = this.trace.spans.length;
    this.showTrace();
  }

  showTrace() {
    const {trace} = this;
    const rows = inOrder(trace.spans);
    this.chosen = rows.find(({span}) => span.spanId === this.chosen?.spanId)?.span ?? trace.root;
    show(this.main,
      element("p.crumbs", {}, element("a", {href: "#/traces"}, "Traces"), " / ", element("code", {}, trace.id)),
      element("h1", {}, trace.what, " ", outcomeBadge(trace)),
      element("p.note", {}, `${dateTime(trace.start / 1e6)} · ${micros(trace.duration)}, of which ${micros(trace.sidecar)} sidecar time · ${trace.spans.length} spans · `,
        element("a", {href: "#/request/" + encodeURIComponent(trace.id), "data-key": "explain"}, "Explain")),
      card(null, this.shownAxis(), element("div.waterfall", {role: "list"}, rows.slice(0, MOST_SPANS).map((row) => element("div", {role: "listitem"}, this.shownSpan(row)))),
        rows.length > MOST_SPANS && note(`${rows.length - MOST_SPANS} more spans.`),
        element("p.legend", {}, element("span", {}, element("i.bar-sample.server"), "request in a sidecar"), element("span", {}, element("i.bar-sample.client"), "attempt to reach the next one"),
          element("span", {}, element("i.bar-sample.mesh"), "sidecar time"), element("span", {}, element("i.bar-sample.failed"), "failed"))),
      this.shownDetails());
  }

  shownAxis() {
    const marks = Array.from({length: TICKS}, (_, at) => element("span", {}, at === 0 ? "0" : micros((this.trace.duration * at) / TICKS)));
    return element("div.axis", {"aria-hidden": "true"}, element("span"), element("span.axis-marks", {}, marks), element("span.span-time", {}, micros(this.trace.duration)));
  }

  shownSpan({span, depth}) {
    const all = Math.max(this.trace.duration, 1);
    const bar = element(`span.span-bar.${span.error ? "failed" : span.kind === "client" ? "client" : "server"}`);
    bar.style.left = Math.min((100 * (span.start - this.trace.start)) / all, 99.7) + "%";
    bar.style.width = Math.max((100 * (span.end - span.start)) / all, 0.3) + "%";
    const own = sidecarTime(span);
    if (own > 0) {
      const mesh = element("span.span-mesh");
      mesh.style.width = Math.min((100 * own) / Math.max(span.durationMicros, 1), 100) + "%";
      bar.append(mesh);
    }
    const name = element("span.span-name", {}, element("strong", {}, span.service), " ", span.name, " ", element("small", {}, span.kind));
    name.style.paddingLeft = Math.min(depth, 12) * 14 + "px";
    return element("button.span", {
      type: "button", "data-key": span.spanId, "aria-pressed": String(span === this.chosen),
      onclick: () => {
        this.chosen = span;
        this.showTrace();
      },
    }, name, element("span.span-track", {}, bar), element("span.span-time", {}, micros(span.durationMicros), own > 0 && element("small", {}, ` sidecar ${micros(own)}`)));
  }

  shownDetails() {
    const {chosen} = this;
    const rows = [["reporter", chosen.reporter], ...Object.entries(chosen.attributes)];
    return card(`${chosen.service} ${chosen.kind} ${chosen.name}`,
      element("dl.facts", {}, rows.filter(([, value]) => value !== "").map(([name, value]) => [element("dt", {}, name), element("dd", {}, name === "response_flags" ? flagText(value) : value)])),
      chosen.events.length > 0 && [element("h3", {}, "Events"), element("ul.plain", {}, chosen.events.map((event) =>
        element("li", {}, `after ${micros(nanosAsMicros(event.atUnixNano) - chosen.start)}: ${event.name} `,
          Object.entries(event.attributes).map(([name, value]) => element("code", {}, `${name}=${value}`)))))]);
  }

  fail(error) {
    if (this.trace) return; // it was there: newer ones have taken its room
    show(this.main, element("p.crumbs", {}, element("a", {href: "#/traces"}, "Traces")), card(error.message, error.hint && note(error.hint)));
  }
}

// Each span below its parent, by start; those whose parent is not known are roots.
function inOrder(spans) {
  const children = new Map();
  const known = new Set(spans.map((span) => span.spanId));
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const parent = known.has(span.parentSpanId) && span.parentSpanId !== span.spanId ? span.parentSpanId : "";
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(span);
  }
  const rows = [];
  const seen = new Set();
  const visit = (id, depth) => {
    for (const span of children.get(id) ?? []) {
      if (seen.has(span)) continue; // spans that name each other as parents
      seen.add(span);
      rows.push({span, depth});
      if (depth < 200) visit(span.spanId, depth + 1);
    }
  };
  visit("", 0);
  for (const span of spans) if (!seen.has(span)) rows.push({span, depth: 0});
  return rows;
}
