// Traces: the newest ones, and one as a waterfall with the mesh's own time shown apart.
import {get, path} from "./api.js";
import {badge, card, choice, element, isPointedAt, note, search, show, table} from "./dom.js";
import {ago, flagText, micros} from "./format.js";

const MOST = 500;
const MESH_TIME = "tulle.mesh.microseconds";
// Sidecars send their spans apart from each other: a trace that has just ended grows for some seconds.
const GROWS_FOR = 30e3;
const LOOK_AGAIN = 2e3;
const wanted = {text: "", status: "", least: "", order: null};

const nanos = (text) => Number(BigInt(text) / 1000n); // microseconds

// What a list says of a trace.
function summary(trace) {
  const spans = trace.spans.map((span) => ({...span, start: nanos(span.startUnixNano), end: nanos(span.startUnixNano) + span.durationMicros}));
  const known = new Set(spans.map((span) => span.spanId));
  const root = spans.find((span) => !known.has(span.parentSpanId)) ?? spans[0];
  const start = Math.min(...spans.map((span) => span.start));
  const end = Math.max(...spans.map((span) => span.end));
  const status = attribute(root, "http.response.status_code", "http.status_code");
  return {
    id: trace.traceId, spans, root, start, duration: end - start, status,
    failed: spans.some((span) => span.error),
    services: [...new Set(spans.map((span) => span.service))],
    mesh: spans.reduce((sum, span) => sum + meshTime(span), 0),
    what: `${attribute(root, "http.request.method", "http.method")} ${attribute(root, "url.path", "http.target", "http.url")}`.trim() || root.name,
  };
}

function attribute(span, ...names) {
  for (const name of names) if (span.attributes[name] !== undefined) return span.attributes[name];
  return "";
}

const meshTime = (span) => (span.kind === "server" ? Number(span.attributes[MESH_TIME] ?? 0) || 0 : 0);

export class TracesPage {
  constructor(main, [id]) {
    this.main = main;
    this.id = id;
    this.opened = Date.now();
  }

  get period() {
    if (!this.id) return 10e3;
    return Date.now() - this.opened < GROWS_FOR ? LOOK_AGAIN : 3600e3;
  }

  async refresh(signal) {
    if (this.id) this.trace = summary(await get(path`/v1/traces/${this.id}`, {}, signal));
    else this.traces = (await get("/v1/traces", {limit: MOST}, signal)).traces.filter((trace) => trace.spans.length > 0).map(summary);
  }

  render() {
    if (this.id) this.showTraceIfGrown();
    else if (!this.list || !isPointedAt(this.list)) this.showList();
  }

  showList() {
    if (!this.list) {
      this.list = element("div");
      const change = (name) => (value) => {
        wanted[name] = value;
        this.showList();
      };
      show(this.main, element("h1", {}, "Traces"), card(null,
        element("div.tools", {},
          search("Find", wanted.text, "service, path or trace ID", change("text")),
          choice("Status", wanted.status, [["", "all"], ["failed", "failed"], ["2", "2xx"], ["3", "3xx"], ["4", "4xx"], ["5", "5xx"]], change("status")),
          choice("At least", wanted.least, [["", "any time"], ["10", "10 ms"], ["100", "100 ms"], ["1000", "1 s"]], change("least"))), this.list));
    }
    const text = wanted.text.trim().toLowerCase();
    const rows = this.traces.filter((trace) =>
      (!text || trace.id.startsWith(text) || trace.what.toLowerCase().includes(text) || trace.services.some((name) => name.toLowerCase().includes(text))) &&
      (!wanted.status || (wanted.status === "failed" ? trace.failed : String(trace.status).startsWith(wanted.status))) &&
      (!wanted.least || trace.duration >= Number(wanted.least) * 1000));
    show(this.list, table({
      caption: `${rows.length} of the ${this.traces.length} newest traces`, rows, order: wanted.order, most: 100,
      empty: this.traces.length === 0 ? "There are no traces yet. 1 % of the requests are traced unless a TelemetryPolicy says otherwise." : "No trace is like that.",
      link: (trace) => "#/traces/" + trace.id,
      onOrder: (order) => {
        wanted.order = order;
        this.showList();
      },
      columns: [
        {name: "When", by: (t) => -t.start, cell: (t) => ago(t.start / 1e6)},
        {name: "Request", by: (t) => t.what, cell: (t) => element("a", {href: "#/traces/" + t.id, "data-key": t.id}, t.what)},
        {name: "Status", by: (t) => String(t.status), cell: (t) => badge(t.failed ? "bad" : "good", t.status || (t.failed ? "failed" : "ok"))},
        {name: "Time", number: true, by: (t) => t.duration, cell: (t) => micros(t.duration)},
        {name: "In the mesh", number: true, by: (t) => t.mesh, cell: (t) => micros(t.mesh)},
        {name: "Spans", number: true, by: (t) => t.spans.length, cell: (t) => t.spans.length},
        {name: "Services", cell: (t) => t.services.slice(0, 6).join(" → ") + (t.services.length > 6 ? " …" : "")},
      ],
    }));
  }

  showTraceIfGrown() {
    if (this.shownSpans === this.trace.spans.length) return;
    this.shownSpans = this.trace.spans.length;
    this.showTrace();
  }

  showTrace() {
    const {trace} = this;
    const ordered = inOrder(trace.spans);
    this.chosen = this.chosen && ordered.find(({span}) => span.spanId === this.chosen.spanId) ? this.chosen : trace.root;
    show(this.main,
      element("p.crumbs", {}, element("a", {href: "#/traces"}, "Traces"), " / ", element("code", {}, trace.id)),
      element("h1", {}, trace.what, " ", badge(trace.failed ? "bad" : "good", trace.status || (trace.failed ? "failed" : "ok"))),
      element("p.note", {}, `${new Date(trace.start / 1000).toLocaleString()} · ${micros(trace.duration)} · ${trace.spans.length} spans · the mesh took ${micros(trace.mesh)} of it`),
      card(null, element("div.waterfall", {role: "list"}, ordered.slice(0, 500).map((row) => this.shownSpan(row, trace))),
        ordered.length > 500 && note(`${ordered.length - 500} more spans.`),
        element("p.legend", {}, element("span", {}, element("i.bar-sample.server"), "request in a sidecar"), element("span", {}, element("i.bar-sample.client"), "attempt to reach the next one"),
          element("span", {}, element("i.bar-sample.mesh"), "time of the mesh itself"), element("span", {}, element("i.bar-sample.failed"), "failed"))),
      this.shownDetails());
  }

  shownSpan({span, depth}, trace) {
    const all = Math.max(trace.duration, 1);
    const bar = element(`span.span-bar.${span.error ? "failed" : span.kind === "client" ? "client" : "server"}`);
    bar.style.left = (100 * (span.start - trace.start)) / all + "%";
    bar.style.width = Math.max((100 * (span.end - span.start)) / all, 0.3) + "%";
    const own = meshTime(span);
    if (own > 0) {
      const mesh = element("span.span-mesh");
      mesh.style.width = Math.min((100 * own) / Math.max(span.durationMicros, 1), 100) + "%";
      bar.append(mesh);
    }
    const name = element("span.span-name", {}, element("strong", {}, span.service), " ", span.name, " ", element("small", {}, span.kind));
    name.style.paddingLeft = Math.min(depth, 12) * 14 + "px";
    return element("button.span", {
      type: "button", role: "listitem", "data-key": span.spanId, "aria-pressed": String(span.spanId === this.chosen.spanId),
      onclick: () => {
        this.chosen = span;
        this.showTrace();
      },
    }, name, element("span.span-track", {}, bar), element("span.span-time", {}, micros(span.durationMicros), own > 0 && element("small", {}, ` mesh ${micros(own)}`)));
  }

  shownDetails() {
    const {chosen} = this;
    const rows = [["reporter", chosen.reporter], ...Object.entries(chosen.attributes)];
    return card(`${chosen.service} ${chosen.kind} ${chosen.name}`,
      element("dl.facts", {}, rows.filter(([, value]) => value !== "").map(([name, value]) => [element("dt", {}, name), element("dd", {}, name === "response_flags" ? flagText(value) : value)])),
      chosen.events.length > 0 && [element("h3", {}, "Events"), element("ul.plain", {}, chosen.events.map((event) =>
        element("li", {}, `after ${micros(nanos(event.atUnixNano) - nanos(chosen.startUnixNano))}: ${event.name} `,
          Object.entries(event.attributes).map(([name, value]) => element("code", {}, `${name}=${value}`)))))]);
  }

  fail(error) {
    this.shownSpans = 0;
    show(this.main, element("p.crumbs", {}, element("a", {href: "#/traces"}, "Traces")), card(error.message, error.hint && note(error.hint)));
  }
}

// Each span below its parent, by start; those whose parent is not known are roots.
function inOrder(spans) {
  const children = new Map();
  const known = new Set(spans.map((span) => span.spanId));
  for (const span of spans) {
    const parent = known.has(span.parentSpanId) && span.parentSpanId !== span.spanId ? span.parentSpanId : "";
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const rows = [];
  const seen = new Set();
  const visit = (id, depth) => {
    for (const span of (children.get(id) ?? []).sort((a, b) => a.start - b.start)) {
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
