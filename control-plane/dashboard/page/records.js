// Requests as sidecars recorded them: a table, and one in full.
import {element, badge, table} from "./dom.js";
import {bytes, clock, flagText, identity, micros} from "./format.js";

const HIDDEN = new Set(["decisions", "startedMicros"]);
// Shown first, in this order; the others follow.
const FIRST = ["method", "authority", "path", "status", "cause", "detail", "responseFlags", "source", "service", "endpoint", "destination", "policy", "attempts"];
// Microseconds from the start of the request.
const TIMES = {requestEnded: "request received after", upstreamAsked: "forwarded after", upstreamAnswered: "answered after", ended: "ended after"};

// As sidecars decide it: what the mesh ended, errors of routes and services, and gRPC's server errors.
const GRPC_ERRORS = [2, 4, 12, 13, 14, 15];
export const isFailed = (record) => Boolean(record.cause) || (record.status ?? 0) >= (record.cluster ? 500 : 400) || GRPC_ERRORS.includes(record.grpcStatus);

export function recordTable(rows, {caption, empty, chosen, onChoose, most = 200}) {
  return table({
    caption, rows, empty, most,
    columns: [
      {name: "When", cell: (r) => clock(Number(r.startedMicros ?? 0) / 1000)},
      {name: "Request", cell: (r) => element("button.link", {type: "button", "data-key": `record-${r.requestId}-${r.proxy}-${r.outbound}`, "aria-pressed": String(chosen === r), onclick: () => onChoose(r)}, `${r.method ?? ""} ${r.authority ?? ""}${r.path ?? ""}`)},
      {name: "Status", cell: (r) => badge(isFailed(r) ? "bad" : r.status >= 400 ? "fair" : "good", statusText(r))},
      {name: "From", cell: (r) => (r.source ? identity(r.source) : r.sourceAddress || "–")},
      {name: "Service", cell: (r) => r.service || r.cluster || "–"},
      {name: "Time", number: true, cell: (r) => (r.ended ? micros(Number(r.ended)) : "–")},
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
    element("dl.facts", {}, facts.map(([name, value]) => [element("dt", {}, TIMES[name] ?? words(name)), element("dd", {}, factText(name, value))])),
    record.traceId && element("p", {}, element("a", {href: "#/trace/" + encodeURIComponent(record.traceId)}, "Its trace")),
    /^[\w.:-]+$/.test(record.requestId ?? "") && element("p.note", {}, "Why, hop by hop: ", element("code", {}, "tullectl explain " + record.requestId)),
    (record.decisions ?? []).length > 0 && [element("h3", {}, "What was decided"), element("ol.decisions", {}, record.decisions.map((decision) =>
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

// "responseFlags" -> "response flags"
const words = (name) => name === "configuredMicros" ? "configuration since" : name.replace(/[A-Z]/g, (letter) => " " + letter.toLowerCase());
