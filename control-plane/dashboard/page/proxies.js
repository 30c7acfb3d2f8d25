// Sidecars: what they have of their configuration, and how long their certificates hold.
import {get} from "./api.js";
import {badge, card, choice, element, search, show, table} from "./dom.js";
import {ago, dateTime, identity, now, span} from "./format.js";

const SHOWN = 12; // of a version, which is a hash
const wanted = {text: "", state: "", order: {column: 0, down: false}};

const PART_STATES = {synced: "good", stale: "fair", rejected: "bad"};
const STATES = {...PART_STATES, "not in force": "bad", "not sent": "fair", "unknown": "bad"};

const partState = (type) => (type.rejection ? "rejected" : type.sentVersion === type.acknowledgedVersion ? "synced" : "stale");

// As `tullectl status` has it: of a proxy that is not connected, what was last known.
function stateOf(proxy) {
  const parts = proxy.types.map(partState);
  if (parts.includes("rejected")) return "rejected";
  if ((proxy.problems ?? []).length > 0) return "not in force";
  if (parts.includes("stale")) return "stale";
  if (!proxy.connected) return "unknown";
  return parts.length === 0 ? "not sent" : "synced";
}

export class ProxiesPage {
  constructor(main, [name]) {
    this.main = main;
    this.chosen = name ?? null;
  }

  async refresh(signal) {
    this.proxies = (await get("/v1/proxies", {}, signal)).items;
  }

  render() {
    if (!this.list) this.build();
    const text = wanted.text.trim().toLowerCase();
    const rows = this.proxies.filter((proxy) => (!text || [proxy.name, proxy.pod, proxy.spiffeId, proxy.address].some((part) => (part ?? "").toLowerCase().includes(text))) &&
      (!wanted.state || stateOf(proxy) === wanted.state || (wanted.state === "disconnected" && !proxy.connected)));
    show(this.list, table({
      caption: `${rows.length} of ${this.proxies.length} proxies`, rows, order: wanted.order, most: 300, empty: this.proxies.length === 0 ? "No sidecar has connected yet." : "No proxy matches.",
      link: (proxy) => "#/proxies/" + encodeURIComponent(proxy.name),
      onOrder: (order) => {
        wanted.order = order;
        this.render();
      },
      columns: [
        {name: "Proxy", by: (p) => p.pod ?? p.name, cell: (p) => element("a", {href: "#/proxies/" + encodeURIComponent(p.name), "data-key": p.name}, p.pod ?? p.name)},
        {name: "Identity", by: (p) => p.spiffeId, cell: (p) => identity(p.spiffeId)},
        {name: "Address", by: (p) => p.address, cell: (p) => p.address || "–"},
        {name: "Connected", number: true, by: (p) => (p.connected ? -p.connectedSince : 1), cell: (p) => (p.connected ? span(now() - p.connectedSince) : badge("bad", "no"))},
        {name: "Configuration", by: stateOf, cell: (p) => badge(STATES[stateOf(p)], stateOf(p))},
        {name: "Program", by: (p) => p.program ?? "", cell: (p) => p.program || "–"},
        {name: "Acknowledged", cell: (p) => element("code", {title: p.acknowledgedVersion}, (p.acknowledgedVersion ?? "").slice(0, SHOWN) || "–")},
        {name: "Certificate expires in", number: true, by: (p) => p.certificateNotAfter, cell: certificate},
        {name: "Breakers", number: true, by: (p) => p.openBreakerCount ?? 0, cell: (p) => (p.openBreakerCount ? badge("bad", `${p.openBreakerCount} open`) : "closed")},
      ],
    }));
    show(this.details, this.shownDetails());
  }

  build() {
    this.list = element("div");
    this.details = element("div");
    const change = (name) => (value) => {
      wanted[name] = value;
      this.render();
    };
    show(this.main, element("h1", {}, "Proxies"), this.details, card(null, element("div.tools", {},
      search("Find", wanted.text, "name, identity or address", change("text")),
      choice("State", wanted.state, [["", "all"], ...Object.keys(STATES).map((state) => [state, state]), ["disconnected", "not connected"]], change("state"))), this.list));
  }

  shownDetails() {
    const proxy = this.chosen && this.proxies.find((each) => each.name === this.chosen);
    if (!proxy) return this.chosen ? card(this.chosen, element("p", {}, "The control plane does not know this proxy any more.")) : null;
    return card(proxy.pod ?? proxy.name,
      element("dl.facts", {}, [["name", proxy.name], ["identity", proxy.spiffeId], ["address", proxy.address], ["connected", proxy.connected ? `since ${dateTime(proxy.connectedSince)}` : "no"],
        ["program", proxy.program || "unknown"], ["certificate expires", proxy.certificateNotAfter ? dateTime(proxy.certificateNotAfter) : "unknown"]].map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      (proxy.problems ?? []).map((problem) => element("p.problem-text", {}, problem)),
      table({
        caption: "Its configuration", rows: proxy.types, empty: "It has not asked for its configuration yet.",
        columns: [
          {name: "Part", cell: (type) => type.type},
          {name: "State", cell: (type) => badge(PART_STATES[partState(type)], partState(type))},
          {name: "Acknowledged", cell: (type) => element("code", {}, type.acknowledgedVersion.slice(0, SHOWN))},
          {name: "Sent", cell: (type) => element("code", {}, type.sentVersion.slice(0, SHOWN))},
          {name: "Reason", cell: (type) => (type.rejection ? `${type.rejectedResource}: ${type.rejection}` : "")},
        ],
      }),
      (proxy.openBreakers ?? []).length > 0 && table({
        caption: "Open circuit breakers", rows: proxy.openBreakers,
        columns: [{name: "Service", cell: (b) => (b.port ? `${b.host}:${b.port}` : b.host)}, {name: "Endpoint", cell: (b) => b.endpoint}, {name: "Reason", cell: (b) => b.reason}, {name: "Since", cell: (b) => ago(b.since)}],
      }),
      element("p.note", {}, "The configuration itself: ", element("code", {}, `tullectl proxy-config ${proxy.name} clusters`)));
  }
}

function certificate(proxy) {
  if (!proxy.certificateNotAfter) return "–";
  const left = proxy.certificateNotAfter - now();
  return left <= 0 ? badge("bad", `expired ${span(-left)} ago`) : span(left);
}
