// Numbers and names as people read them.

export function rate(count, seconds) {
  const each = count / Math.max(seconds, 1);
  if (each === 0) return "0";
  if (each >= 1000) return (each / 1000).toFixed(1) + "k";
  return each >= 10 ? each.toFixed(0) : each >= 1 ? each.toFixed(1) : each.toFixed(2);
}

export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1000) return (value / 1000).toFixed(value >= 10000 ? 0 : 1) + " s";
  return value >= 10 ? value.toFixed(0) + " ms" : value.toFixed(1) + " ms";
}

export const micros = (value) => (value >= 1000 ? milliseconds(value / 1000) : Math.round(value) + " µs");

// Rounded down: 99.999 % is not all.
export function percent(part, all) {
  if (all === 0) return "–";
  const digits = part * 10 < all || part * 100 > 99 * all ? 2 : 1;
  const scale = 10 ** digits;
  return (part === all ? "100" : (Math.floor((100 * scale * part) / all) / scale).toFixed(digits)) + " %";
}

export function bytes(count) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  for (; count >= 1000 && at + 1 < units.length; ++at) count /= 1000;
  return (at === 0 || count >= 10 ? Math.round(count) : count.toFixed(1)) + " " + units[at];
}

export function span(seconds) {
  if (seconds < 0) return "0s";
  if (seconds < 90) return Math.round(seconds) + "s";
  if (seconds < 90 * 60) return Math.round(seconds / 60) + "m";
  return seconds < 48 * 3600 ? Math.round(seconds / 3600) + "h" : Math.round(seconds / 86400) + "d";
}

export const now = () => Date.now() / 1000;
export const ago = (seconds) => (seconds ? span(now() - seconds) + " ago" : "–");
// Of nanoseconds as text, which are more than a number holds exactly.
export const nanosAsMicros = (text) => Number(BigInt(text) / 1000n);
export const clock = (milliseconds) => new Date(milliseconds).toLocaleTimeString([], {hour12: false});
export const minute = (milliseconds) => new Date(milliseconds).toLocaleTimeString([], {hour12: false, hour: "2-digit", minute: "2-digit"});
export const dateTime = (seconds) => new Date(seconds * 1000).toLocaleString([], {dateStyle: "medium", timeStyle: "medium"});

// NAME.NAMESPACE of {name, namespace}; an empty name is a caller without an identity.
export const shownName = ({name, namespace}) => (!name ? "unknown" : namespace ? `${name}.${namespace}` : name);

// Of the page of a service.
export const serviceAddress = ({namespace, name}) => `#/service/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;

// NAME.NAMESPACE of a service's host; other hosts stay.
export const shortHost = (host) => (host ?? "").replace(/^([^.]+\.[^.]+)\.svc\..+$/, "$1");

// ACCOUNT.NAMESPACE of a SPIFFE ID, or the ID.
export function identity(id) {
  const parts = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(id ?? "");
  return parts ? `${parts[2]}.${parts[1]}` : id || "unknown";
}

// What the response flags of a failure mean; the others are shown as they are.
const FLAGS = {
  UH: "no healthy endpoint", UF: "no connection to the endpoint", UO: "limit reached", BO: "circuit breaker open", NR: "no route",
  URX: "retries used up", UT: "timeout", UC: "connection to the endpoint ended", UR: "reset by the endpoint",
  LR: "reset here", RL: "rate limit", UAEX: "denied", DC: "the caller left", DI: "delay injected", FI: "fault injected",
  DT: "took too long", NC: "no cluster", UPE: "protocol error of the endpoint", SI: "idle timeout", OM: "overload",
};
export const flagText = (flags) => (flags ?? "").split(",").filter(Boolean).map((flag) => (FLAGS[flag] ? `${flag} (${FLAGS[flag]})` : flag)).join(", ");

export function outcomeText({code, flags, grpcStatus}) {
  if (flags === "other") return flags; // outcomes that are too many
  const parts = [code === 0 ? "no response" : String(code)];
  if (grpcStatus) parts.push("gRPC " + grpcStatus);
  if (flags) parts.push(flagText(flags));
  return parts.join(", ");
}
