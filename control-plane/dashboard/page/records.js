// Requests as sidecars recorded them: a table, and one in full.
import {element, badge, table} from "./dom.js";
import {bytes, clock, flagText, identity, micros, shortHost} from "./format.js";

const HIDDEN = new Set(["decisions", "startedMicros", "failed"]);
// Shown first, in this order; the others follow.
const FIRST = ["method", "authority", "path", "status", "cause", "detail", "responseFlags", "source", "service", "endpoint", "destination", "policy", "attempts"];
// Microseconds from the start of the request.
const TIMES = {requestEnded: "request received after", upstreamAsked: "forwarded after", upstreamAnswered: "answered after", ended: "ended after"};
const NAMES = {source: "caller", destination: "target", authority: "host", configuredMicros: "configuration since", mutualTls: "mutual TLS", requestId: "request ID", traceId: "trace ID", grpcStatus: "gRPC status"};

// As the sidecar decides it.
export const isFailed = (record) => Boolean(record.failed);

// Of the page that explains it; null: it has no ID.
export const requestAddress = (record) => (record?.requestId ? "#/request/" + encodeURIComponent(record.requestId) : null);

// As `tullectl errors` says it: a route that answers itself has no cluster.
export const causeText = ({cause, example}) => cause || (example?.route && !example.cluster ? "answer of the route" : "answer of the service");

// A request leads to its page, or, with `onChoose`, is shown in full.
export function recordTable(rows, {caption, empty, chosen, onChoose, most = 200}) {
  const request = (r) => `${r.method ?? ""} ${r.authority ?? ""}${r.path ?? ""}`;
  const key = (r) => `record-${r.requestId}-${r.proxy}-${r.outbound}`;
  const shown = (r) => {
    if (onChoose) return element("button.link", {type: "button", "data-key": key(r), "aria-pressed": String(chosen === r), onclick: () => onChoose(r)}, request(r));
    return requestAddress(r) ? element("a", {href: requestAddress(r), "data-key": key(r)}, request(r)) : request(r);
  };
  return table({
    caption, rows, empty, most,
    columns: [
      {name: "When", cell: (r) => clock(Number(r.startedMicros ?? 0) / 1000)},
      {name: "Request", cell: shown},
      {name: "Status", cell: (r) => badge(isFailed(r) ? "bad" : r.status >= 400 ? "fair" : "good", statusText(r))},
      {name: "Caller", cell: (r) => (r.source ? identity(r.source) : r.sourceAddress || "unknown")},
      {name: "Service", cell: (r) => shortHost(r.service) || r.cluster || "–"},
      {name: "Duration", number: true, cell: (r) => (r.ended ? micros(Number(r.ended)) : "–")},
      {name: "Cause", cell: (r) => r.cause || flagText(r.responseFlags)},
    ],
  });
}

const statusText = (record) => (record.status ? String(record.status) : "none") + (record.grpcStatus === undefined || record.grpcStatus === null ? "" : ` gRPC ${record.grpcStatus}`);

export function recordDetails(record) {
  const rank = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  const facts = Object.entries(record).filter(([name, value]) => !HIDDEN.has(name) && value !== "" && value !== null && value !== false && value !== 0)
    .sort(([a], [b]) => rank(a) - rank(b));
  return [
    element("p", {}, requestAddress(record) && element("a", {href: requestAddress(record), "data-key": "explain"}, "Explain"),
      record.traceId && [" · ", element("a", {href: "#/trace/" + encodeURIComponent(record.traceId), "data-key": "trace"}, "View trace")]),
    element("dl.facts", {}, facts.map(([name, value]) => [element("dt", {}, TIMES[name] ?? NAMES[name] ?? words(name)), element("dd", {}, factText(name, value))])),
    (record.decisions ?? []).length > 0 && [element("h3", {}, "Decisions"), element("ol.decisions", {}, record.decisions.map((decision) =>
      element("li", {}, badge(decision.positive ? "good" : "none", decision.kind), ` ${decision.subject} `, element("small", {}, decision.reason))))],
  ];
}

function factText(name, value) {
  if (TIMES[name]) return micros(Number(value));
  if (name.endsWith("Micros")) return clock(Number(value) / 1000);
  if (name.endsWith("Bytes")) return bytes(Number(value));
  if (name === "responseFlags") return flagText(value);
  return typeof value === "object" ? JSON.stringify(value) : value === true ? "yes" : String(value);
}

// "retryBudgetExhausted" -> "retry budget exhausted"
const words = (name) => name.replace(/[A-Z]/g, (letter) => " " + letter.toLowerCase());
