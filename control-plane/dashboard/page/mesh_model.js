// The mesh as a graph: services and callers, and who calls whom.
import {identity, shownName} from "./format.js";
import {Traffic} from "./traffic.js";

const keyOf = ({namespace, name}) => `${name}.${namespace}`;

// The service that a caller is. An account that serves several is the one of its own name, or else a
// caller beside them.
function servicesByIdentity(services) {
  const found = new Map();
  for (const service of services) {
    for (const id of service.identities) {
      const account = identity(id);
      const known = found.get(id);
      if (!known || keyOf(service) === account) found.set(id, service);
      else if (keyOf(known) !== account) found.set(id, null);
    }
  }
  return found;
}

// {nodes: Map(id -> node), edges: Map(id -> edge)}. A node: {id, kind: "service" | "caller", name,
// namespace, label, received: Traffic, sent: Traffic, open}; an edge: {id, from, to, traffic, isTcp}.
export function meshOf(links, services) {
  const nodes = new Map();
  const edges = new Map();
  const node = (id, kind, {name, namespace}) => {
    if (!nodes.has(id)) {
      nodes.set(id, {id, kind, name, namespace, label: shownName({name, namespace}), received: new Traffic(), sent: new Traffic(), open: 0});
    }
    return nodes.get(id);
  };
  const own = servicesByIdentity(services);
  for (const link of links) {
    const to = node("service " + keyOf(link.service), "service", link.service);
    const service = own.get(link.source.spiffeId);
    const from = service ? node("service " + keyOf(service), "service", service)
      : node("caller " + (link.source.spiffeId || "unknown"), "caller", link.source);
    from.sent.add(link);
    to.received.add(link);
    const id = `${from.id} > ${to.id} ${link.protocol}`;
    if (!edges.has(id)) edges.set(id, {id, from, to, traffic: new Traffic(), isTcp: link.protocol === "tcp"});
    edges.get(id).traffic.add(link);
  }
  for (const service of services) {
    const known = nodes.get("service " + keyOf(service));
    if (known) known.open = openBreakersOf(service);
  }
  return {nodes, edges};
}

// Each endpoint once, also if it serves several ports.
export function endpointsOf(service) {
  const found = new Map();
  for (const port of service.ports) for (const endpoint of port.endpoints) found.set(endpoint.workload, endpoint);
  return [...found.values()];
}

// Endpoints that some proxy does not ask, because they failed.
export function openBreakersOf(service) {
  let open = 0;
  for (const port of service.ports) for (const endpoint of port.endpoints) open += endpoint.openBreakers ? 1 : 0;
  return open;
}

export const namespacesOf = (mesh) => [...new Set([...mesh.nodes.values()].map((node) => node.namespace).filter(Boolean))].sort();

// The part that has to do with that namespace and text, and of it the edges with the most events
// until there are `most` nodes. {nodes, edges, leftOut}
export function partOf(mesh, {namespace, text, most}) {
  const wanted = text.trim().toLowerCase();
  const matches = (node) => (!namespace || node.namespace === namespace) && (!wanted || node.label.toLowerCase().includes(wanted));
  const edges = [...mesh.edges.values()].filter(({from, to}) => (!namespace && !wanted) || matches(from) || matches(to))
    .sort((a, b) => b.traffic.failedEvents - a.traffic.failedEvents || b.traffic.events - a.traffic.events);
  const nodes = new Map();
  const kept = [];
  for (const edge of edges) {
    const added = [edge.from, edge.to].filter((node) => !nodes.has(node.id));
    if (nodes.size + added.length > most) continue;
    added.forEach((node) => nodes.set(node.id, node));
    kept.push(edge);
  }
  return {nodes, edges: kept, leftOut: edges.length - kept.length};
}
