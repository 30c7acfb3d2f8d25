// Traces: a search in those that the control plane keeps, and the newest that it finds.
import {get} from "./api.js";
import {badge, card, choice, element, isPointedAt, search, show, table} from "./dom.js";
import {ago, micros, nanosAsMicros} from "./format.js";

const MOST = 200;
const TYPING = 250; // a search begins when nothing has been typed for so many milliseconds
const wanted = {text: "", status: "", least: "", order: null};

// What the one field means: the beginning of a path, of an ID, or of a service's name.
function conditionOf(text) {
  const path = /^(?:[A-Z]+ )?(\/.*)$/.exec(text);
  if (path) return {path: path[1]};
  return /^[0-9a-f]{8,32}$/i.test(text) ? {id: text.toLowerCase()} : {service: text};
}

function matchingText(matching, shown) {
  if (matching > shown) return `The newest ${shown} of ${matching} traces that match`;
  return matching === 1 ? "1 trace matches" : `${matching} traces match`;
}

// A page's row of a trace.
function rowOf({traceId, startUnixNano, endUnixNano, first, error, services, spans, sidecarMicros}) {
  const start = nanosAsMicros(startUnixNano);
  return {
    id: traceId, start, duration: nanosAsMicros(endUnixNano) - start, services, spans, sidecar: sidecarMicros,
    state: first.error ? "bad" : error ? "fair" : "good", status: first.status || (first.error ? "failed" : "ok"),
    what: `${first.method} ${first.path}`.trim() || first.name,
  };
}

// What ended well may have failed before: then it was tried again.
export const outcomeBadge = ({state, status}) => badge(state, state === "fair" ? `${status}, with failures` : status);

export class TracesPage {
  constructor(main, parts, refresh) {
    this.main = main;
    this.refreshNow = refresh;
    this.period = 10e3;
  }

  async refresh(signal) {
    const failed = wanted.status === "failed";
    const found = await get("/v1/traces", {
      ...conditionOf(wanted.text.trim()), failed: failed ? "true" : "", status: failed ? "" : wanted.status, minMs: wanted.least, limit: MOST,
    }, signal);
    this.rows = found.traces.map(rowOf);
    this.matching = found.matching;
    this.known = found.known;
  }

  render() {
    if (!this.list) this.build();
    if (!isPointedAt(this.list) || this.isAsked) this.showList(); // it would move away
    this.isAsked = false;
  }

  build() {
    this.list = element("div");
    const change = (name, wait) => (value) => {
      wanted[name] = value;
      this.isAsked = true;
      clearTimeout(this.typing);
      this.typing = setTimeout(this.refreshNow, wait);
    };
    show(this.main, element("h1", {}, "Traces"), card(null,
      element("div.tools", {},
        search("Find", wanted.text, "service, /path or trace ID", change("text", TYPING)),
        choice("Status", wanted.status, [["", "all"], ["failed", "with failures"], ["200-299", "2xx"], ["300-399", "3xx"], ["400-499", "4xx"], ["500-599", "5xx"]], change("status", 0)),
        choice("At least", wanted.least, [["", "any duration"], ["10", "10 ms"], ["100", "100 ms"], ["1000", "1 s"]], change("least", 0))), this.list));
  }

  showList() {
    const {rows, matching, known} = this;
    show(this.list, table({
      caption: `${matchingText(matching, rows.length)}; ${known} are kept`,
      rows, order: wanted.order, most: MOST,
      empty: known === 0 ? "There are no traces yet. 1 % of the requests are traced unless a TelemetryPolicy says otherwise." : `None of the ${known} traces matches.`,
      link: addressOf,
      onOrder: (order) => {
        wanted.order = order;
        this.showList();
      },
      columns: [
        {name: "When", by: (t) => -t.start, cell: (t) => ago(t.start / 1e6)},
        {name: "Request", by: (t) => t.what, cell: (t) => element("a", {href: addressOf(t), "data-key": t.id}, t.what)},
        {name: "Status", by: (t) => String(t.status), cell: outcomeBadge},
        {name: "Duration", number: true, by: (t) => t.duration, cell: (t) => micros(t.duration)},
        {name: "Sidecar time", number: true, by: (t) => t.sidecar, cell: (t) => micros(t.sidecar)},
        {name: "Spans", number: true, by: (t) => t.spans, cell: (t) => t.spans},
        {name: "Services", cell: (t) => t.services.slice(0, 6).join(" → ") + (t.services.length > 6 ? " …" : "")},
      ],
    }));
  }

  end() {
    clearTimeout(this.typing);
  }
}

const addressOf = (trace) => "#/trace/" + encodeURIComponent(trace.id);
