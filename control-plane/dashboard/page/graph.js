// The drawing of a mesh: boxes in layers from callers to services, laid out by dagre, moved by d3.
/* global d3, dagre */
import {milliseconds, percent, rate, serviceAddress} from "./format.js";

const WIDTH = 178;
const HEIGHT = 66;
const LONGEST = 22;
const CHARACTER = 5.8; // of an edge's label

const addressOf = (node) => (node.kind === "service" && node.namespace ? serviceAddress(node) : null);
const cut = (text) => (text.length > LONGEST ? text.slice(0, LONGEST - 1) + "…" : text);

function describe(node, seconds) {
  const {received} = node;
  if (received.requests === 0) return received.opened > 0 ? `${percent(received.opened - received.broken, received.opened)} success · ${rate(received.opened, seconds)} connections per second` : "";
  return `${percent(received.requests - received.failures, received.requests)} success · ${rate(received.requests, seconds)} rps · p95 ${milliseconds(received.quantile(0.95))}`;
}

function numbersOf(node, seconds) {
  const {received, sent} = node;
  if (received.requests > 0) {
    return [percent(received.requests - received.failures, received.requests), `${rate(received.requests, seconds)} rps`, milliseconds(received.quantile(0.95))];
  }
  if (received.opened > 0) return [percent(received.opened - received.broken, received.opened), `${rate(received.opened, seconds)} conn/s`, ""];
  return [`calls ${rate(sent.requests + sent.opened, seconds)} rps`, "", ""];
}

// Below the name.
function more(node) {
  if (node.open > 0) return `breaker open: ${node.open}`;
  if (node.kind === "caller") return node.name ? "caller · " + node.namespace : "without identity";
  return (node.namespace || "other host") + (node.received.requests === 0 && node.received.opened > 0 ? " · TCP" : "");
}

// What fails comes first.
function edgeText({traffic}, seconds) {
  const parts = [];
  if (traffic.isSecure === false) parts.push("plaintext");
  if (traffic.failedEvents > 0) parts.push(`${percent(traffic.failedEvents, traffic.events)} failed`);
  if (traffic.denied > 0) parts.push(`${percent(traffic.denied, traffic.opened)} denied`);
  if (traffic.requests > 0) parts.push(`${rate(traffic.requests, seconds)} rps`, milliseconds(traffic.quantile(0.95)));
  if (traffic.opened > 0) parts.push(`${rate(traffic.opened, seconds)} conn/s`);
  return parts.join(" · ");
}
const labelWidth = (text) => text.length * CHARACTER + 12;

export class Graph {
  constructor(holder) {
    this.svg = d3.select(holder).append("svg").attr("class", "graph").attr("role", "group").attr("aria-label", "Services and who calls them");
    const arrows = this.svg.append("defs");
    for (const state of ["good", "fair", "bad", "none"]) {
      arrows.append("marker").attr("id", "arrow-" + state).attr("class", "arrow " + state).attr("viewBox", "0 0 8 8").attr("refX", 7).attr("refY", 4)
        .attr("markerWidth", 7).attr("markerHeight", 7).attr("markerUnits", "userSpaceOnUse").attr("orient", "auto").append("path").attr("d", "M0,0 8,4 0,8Z");
    }
    this.scene = this.svg.append("g");
    this.edges = this.scene.append("g");
    this.labels = this.scene.append("g");
    this.nodes = this.scene.append("g");
    this.zoom = d3.zoom().scaleExtent([0.1, 2.5]).on("zoom", () => this.scene.attr("transform", d3.event.transform));
    // The wheel alone moves the page.
    this.zoom.filter(() => !d3.event.button && (d3.event.type !== "wheel" || d3.event.ctrlKey || d3.event.metaKey));
    this.svg.call(this.zoom);
    this.structure = "";
  }

  draw(part, seconds) {
    const structure = JSON.stringify([[...part.nodes.keys()].sort(), part.edges.map((edge) => edge.id).sort()]);
    if (structure !== this.structure) this.layOut(part, seconds);
    const isNew = structure !== this.structure;
    this.structure = structure;
    this.drawEdges(part.edges, seconds);
    this.drawNodes([...part.nodes.values()], seconds);
    if (isNew) this.fit();
  }

  layOut(part, seconds) {
    const graph = new dagre.graphlib.Graph({multigraph: true});
    graph.setGraph({rankdir: "LR", nodesep: 22, ranksep: 56, edgesep: 14, marginx: 12, marginy: 12});
    graph.setDefaultEdgeLabel(() => ({}));
    for (const id of [...part.nodes.keys()].sort()) graph.setNode(id, {width: WIDTH, height: HEIGHT});
    // In a fixed order, so that the same mesh has the same picture.
    for (const edge of [...part.edges].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      graph.setEdge(edge.from.id, edge.to.id, {width: labelWidth(edgeText(edge, seconds)), height: 16, labelpos: "c"}, edge.id);
    }
    dagre.layout(graph);
    this.graph = graph;
  }

  fit() {
    const {width, height} = this.graph.graph();
    const box = this.svg.node().getBoundingClientRect();
    const room = box.width || 800;
    // Not so small that it cannot be read: then it is moved instead.
    const scale = Math.max(Math.min(room / (width || 1), 1.15), 0.45);
    const tall = Math.min(Math.max(height * scale, 160), 720);
    this.svg.attr("height", Math.ceil(tall));
    const left = Math.max((room - width * scale) / 2, 0);
    this.svg.call(this.zoom.transform, d3.zoomIdentity.translate(left, Math.max((tall - height * scale) / 2, 0)).scale(scale));
  }

  nearer(factor) {
    this.svg.call(this.zoom.scaleBy, factor);
  }

  // From the right side to the left side; calls against the order of the layers as dagre leads them.
  pathOf(edge, placed, line) {
    const [from, to] = [this.graph.node(edge.from.id), this.graph.node(edge.to.id)];
    const begin = {x: from.x + WIDTH / 2, y: from.y};
    const end = {x: to.x - WIDTH / 2 - 1, y: to.y};
    if (begin.x >= end.x) return line.curve(d3.curveBasis)(placed.points);
    const between = placed.points.slice(1, -1).filter((point) => point.x > begin.x + 8 && point.x < end.x - 8);
    return line.curve(d3.curveMonotoneX)([begin, ...between, end]);
  }

  drawEdges(edges, seconds) {
    const line = d3.line().x((p) => p.x).y((p) => p.y);
    const placed = (edge) => this.graph.edge(edge.from.id, edge.to.id, edge.id);
    const state = (edge) => edge.traffic.state;
    const paths = this.edges.selectAll("path").data(edges, (edge) => edge.id);
    paths.exit().remove();
    paths.enter().append("path").merge(paths)
      .attr("d", (edge) => this.pathOf(edge, placed(edge), line))
      .attr("class", (edge) => `edge ${state(edge)}${edge.traffic.isSecure === false ? " plain" : ""}`)
      .attr("marker-end", (edge) => `url(#arrow-${state(edge)})`)
      .attr("stroke-width", (edge) => 1.4 + Math.min(Math.log10(1 + edge.traffic.events / seconds), 3));
    const labels = this.labels.selectAll("g").data(edges, (edge) => edge.id);
    labels.exit().remove();
    const made = labels.enter().append("g");
    made.append("rect").attr("rx", 8).attr("height", 16).attr("y", -8);
    made.append("text").attr("text-anchor", "middle").attr("dy", "0.32em");
    made.append("title");
    const all = made.merge(labels).attr("class", (edge) => "edge-label " + state(edge))
      .attr("transform", (edge) => `translate(${placed(edge).x},${placed(edge).y})`);
    const width = (edge) => labelWidth(edgeText(edge, seconds));
    all.select("text").text((edge) => edgeText(edge, seconds));
    all.select("rect").attr("width", width).attr("x", (edge) => -width(edge) / 2);
    all.select("title").text((edge) => `${edge.from.label} → ${edge.to.label}: ${edgeText(edge, seconds)}, ` +
      `${edge.traffic.isSecure ? "mutual TLS" : "not all by mutual TLS"}`);
  }

  drawNodes(nodes, seconds) {
    const bound = this.nodes.selectAll("a").data(nodes, (node) => node.id);
    bound.exit().remove();
    const made = bound.enter().append("a").attr("tabindex", 0);
    made.append("rect").attr("class", "box").attr("width", WIDTH).attr("height", HEIGHT).attr("rx", 9);
    made.append("rect").attr("class", "stripe").attr("width", 5).attr("height", HEIGHT - 16).attr("x", 8).attr("y", 8).attr("rx", 2.5);
    made.append("text").attr("class", "node-name").attr("x", 22).attr("y", 21);
    made.append("text").attr("class", "node-more").attr("x", 22).attr("y", 36);
    for (const [at, x] of [[0, 22], [1, 78], [2, 128]]) made.append("text").attr("class", "node-number n" + at).attr("x", x).attr("y", 54);
    made.append("title");
    const all = made.merge(bound)
      .attr("class", (node) => `node ${node.kind} ${node.received.state}`)
      .attr("href", addressOf)
      .attr("aria-label", (node) => `${node.label} ${describe(node, seconds)}`)
      .attr("data-service", (node) => node.label)
      .attr("transform", (node) => `translate(${this.graph.node(node.id).x - WIDTH / 2},${this.graph.node(node.id).y - HEIGHT / 2})`);
    all.select(".node-name").text((node) => cut(node.name || "unknown"));
    all.select(".node-more").text(more);
    for (const at of [0, 1, 2]) all.select(".n" + at).text((node) => numbersOf(node, seconds)[at]);
    all.select("title").text((node) => `${node.label}\n${describe(node, seconds)}`);
  }
}
