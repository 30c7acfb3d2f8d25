// The first page: how the mesh is, who calls whom, and what to look at.
import {get} from "./api.js";
import {goldenColumns, mutualTlsColumn} from "./columns.js";
import {badge, card, choice, element, note, search, show, table, tile} from "./dom.js";
import {milliseconds, outcomeText, percent, rate, serviceAddress, shownName} from "./format.js";
import {Graph} from "./graph.js";
import {endpointsOf, meshOf, namespacesOf, openBreakersOf, partOf} from "./mesh_model.js";
import {sumOf} from "./traffic.js";

const MOST_NODES = 60;
const MOST_ALIKE = 4; // of what needs attention
const WINDOWS = [["10", "10 seconds"], ["60", "1 minute"], ["600", "10 minutes"], ["3600", "1 hour"]];

// Kept while the page is left and opened again.
const isSmall = matchMedia("(max-width: 760px)").matches; // for a graph
const wanted = {window: "60", namespace: "", text: "", view: isSmall ? "table" : "graph", order: {column: 2, down: true}};

export class MeshPage {
  constructor(main, parts, refresh) {
    this.main = main;
    this.refreshNow = refresh;
  }

  async refresh(signal) {
    const [traffic, services, proxies] = await Promise.all([
      get("/v1/traffic", {window: wanted.window}, signal), get("/v1/services", {}, signal), get("/v1/proxies", {}, signal)]);
    this.seconds = traffic.seconds;
    this.links = traffic.links;
    this.services = services.items;
    this.proxies = proxies.items;
    this.mesh = meshOf(traffic.links, services.items);
  }

  render() {
    if (!this.frame) this.build();
    show(this.tiles, this.shownTiles());
    show(this.tools, this.shownTools());
    this.showMap();
    show(this.attention, this.shownAttention());
  }

  build() {
    this.tiles = element("div.tiles");
    this.attention = element("div");
    this.tools = element("div.tools");
    this.map = element("div.map");
    this.frame = true;
    this.graph = null;
    show(this.main, element("h1.hidden", {}, "Mesh"), this.tiles, this.attention, element("section.card", {}, this.tools, this.map));
  }

  shownTiles() {
    const all = sumOf(this.links);
    const secure = all.isSecure;
    const synced = this.proxies.filter((proxy) => proxy.connected && proxy.synced).length;
    const open = this.services.reduce((sum, service) => sum + openBreakersOf(service), 0);
    const endpoints = this.services.reduce((sum, service) => sum + endpointsOf(service).length, 0);
    return [
      tile("Success", percent(all.requests - all.failures, all.requests), all.state, all.failures > 0 ? `${all.failures} of ${all.requests} failed` : "no failures"),
      tile("Requests", rate(all.requests, this.seconds), "none", "per second"),
      tile("Latency p95", milliseconds(all.quantile(0.95)), "none", `p50 ${milliseconds(all.quantile(0.5))} · p99 ${milliseconds(all.quantile(0.99))}`),
      tile("Mutual TLS", percent(all.mutualTls, all.events), secure === null ? "none" : secure ? "good" : "fair", secure === false ? "not everywhere" : "of requests and connections"),
      tile("Proxies", `${synced} / ${this.proxies.length}`, synced === this.proxies.length ? "good" : "bad", "synced"),
      tile("Circuit breakers", open === 0 ? "closed" : `${open} open`, open === 0 ? "good" : "bad", `of ${endpoints} endpoints of ${this.services.length} services`),
    ];
  }

  shownTools() {
    const change = (name) => (value) => {
      wanted[name] = value;
      this.render();
    };
    const later = (value) => {
      wanted.window = value;
      this.refreshNow();
    };
    return [
      element("div.views", {role: "group", "aria-label": "View"}, [["graph", "Graph"], ["table", "Table"]].map(([id, text]) =>
        element("button.view", {type: "button", "aria-pressed": String(wanted.view === id), "data-key": "view-" + id, onclick: () => change("view")(id)}, text))),
      choice("Last", wanted.window, WINDOWS, later),
      choice("Namespace", wanted.namespace, [["", "all"], ...namespacesOf(this.mesh).map((name) => [name, name])], change("namespace")),
      search("Find", wanted.text, "service or caller", (value) => {
        wanted.text = value;
        this.showMap();
      }),
      wanted.view === "graph" && element("span.zoom", {},
        element("button.quiet", {type: "button", "aria-label": "Smaller", "data-key": "smaller", onclick: () => this.graph?.nearer(0.8)}, "−"),
        element("button.quiet", {type: "button", "aria-label": "Larger", "data-key": "larger", onclick: () => this.graph?.nearer(1.25)}, "+"),
        element("button.quiet", {type: "button", "data-key": "fit", onclick: () => this.graph?.fit()}, "Fit")),
    ];
  }

  showMap() {
    if (this.mesh.edges.size === 0) {
      this.graph = null;
      return show(this.map, note(`No traffic in this period. Sidecars report every 5 seconds; ${this.proxies.length} are known.`));
    }
    if (wanted.view === "table") {
      this.graph = null;
      return show(this.map, this.shownTable());
    }
    const part = partOf(this.mesh, {...wanted, most: MOST_NODES});
    if (part.nodes.size === 0) {
      this.graph = null;
      return show(this.map, note("No service or caller matches."));
    }
    if (!this.graph) {
      this.holder = element("div.graph-holder");
      this.legend = element("p.legend");
      show(this.map, this.holder, this.legend);
      this.graph = new Graph(this.holder);
    }
    this.graph.draw(part, this.seconds);
    show(this.legend, [["good", "no failures"], ["fair", "below 1 % failed"], ["bad", "1 % failed or more"], ["none", "no traffic"]].map(([state, text]) =>
      element("span", {}, element(`i.dot.${state}`), text)), element("span", {}, element("i.dash"), "not by mutual TLS"),
    part.leftOut > 0 && element("span", {}, `${part.leftOut} calls are not drawn: find a name, choose a namespace, or see the table`));
  }

  shownTable() {
    const part = partOf(this.mesh, {...wanted, most: Infinity});
    return table({
      caption: "Who calls whom", rows: part.edges, order: wanted.order, empty: "No service or caller matches.",
      onOrder: (order) => {
        wanted.order = order;
        this.showMap();
      },
      columns: [
        {name: "Caller", by: (e) => e.from.label, cell: (e) => nodeLink(e.from)},
        {name: "Service", by: (e) => e.to.label, cell: (e) => nodeLink(e.to)},
        ...goldenColumns(this.seconds), mutualTlsColumn,
        {name: "Most frequent error", by: (e) => e.traffic.errors[0]?.count ?? 0, cell: (e) => (e.traffic.errors[0] ? `${outcomeText(e.traffic.errors[0])} (${e.traffic.errors[0].count})` : "")},
      ],
    });
  }

  // What fails first; of each kind the worst ones.
  shownAttention() {
    const failing = [...this.mesh.edges.values()].filter((edge) => edge.traffic.state === "bad").sort((a, b) => b.traffic.failedEvents - a.traffic.failedEvents)
      .map((edge) => [percent(edge.traffic.failedEvents, edge.traffic.events) + " failed", edge.from.label, " → ", nodeLink(edge.to),
        edge.traffic.errors[0] && `: ${outcomeText(edge.traffic.errors[0])}`, " · ", element("a", {href: "#/errors/" + encodeURIComponent(edge.to.label), "data-key": "errors-" + edge.id}, "Errors")]);
    const ofProxies = (state, isSuch, text) => this.proxies.filter(isSuch).map((proxy) => [state, proxyLink(proxy), text(proxy)]);
    const open = this.services.filter((service) => openBreakersOf(service) > 0)
      .map((service) => ["breaker open", serviceLink(service), ` at ${openBreakersOf(service)} of its endpoints`]);
    const all = [failing, open, ofProxies("rejected", (proxy) => proxy.rejection, (proxy) => ": " + proxy.rejection),
      ofProxies("not in force", (proxy) => proxy.problems, (proxy) => ": " + proxy.problems.join("; ")),
      ofProxies("not connected", (proxy) => !proxy.connected, () => "")];
    const left = all.reduce((sum, kind) => sum + Math.max(kind.length - MOST_ALIKE, 0), 0);
    const rows = all.flatMap((kind) => kind.slice(0, MOST_ALIKE));
    if (rows.length === 0) return [];
    return card("Needs attention", element("ul.attention", {}, rows.map(([state, ...text]) => element("li", {}, badge("bad", state), " ", text)),
      left > 0 && element("li", {}, `and ${left} more`)));
  }
}

const proxyLink = (proxy) => element("a", {href: "#/proxies/" + encodeURIComponent(proxy.name), "data-key": "attention-" + proxy.name}, proxy.pod ?? proxy.name);
const serviceLink = ({namespace, name}) => element("a", {href: serviceAddress({namespace, name}), "data-key": `attention-${name}.${namespace}`}, shownName({namespace, name}));

function nodeLink(node) {
  if (node.kind !== "service" || !node.namespace) return node.label;
  return element("a", {href: serviceAddress(node), "data-key": "node-" + node.id}, node.label);
}
