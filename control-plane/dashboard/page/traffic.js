// Sums of what /v1/traffic and /v1/traffic/history tell.

// Upper ends of the buckets of durations in milliseconds (tulle.insight.v1.Requests).
const ENDS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1.8e6];

export class Traffic {
  requests = 0;
  failures = 0;
  mutualTls = 0;
  opened = 0; // connections, also those that failed or were denied
  broken = 0;
  denied = 0;
  sentBytes = 0;
  receivedBytes = 0;
  buckets = [];
  outcomes = new Map();

  // A link of /v1/traffic, or a step of a history.
  add(part) {
    this.requests += part.requests ?? 0;
    this.failures += part.failures ?? 0;
    this.mutualTls += part.mutualTls ?? 0;
    const tcp = part.connections ?? part;
    this.opened += tcp.opened ?? 0;
    this.broken += tcp.failed ?? 0;
    this.denied += tcp.denied ?? 0;
    this.sentBytes += tcp.sentBytes ?? 0;
    this.receivedBytes += tcp.receivedBytes ?? 0;
    (part.buckets ?? []).forEach((count, at) => {
      this.buckets[at] = (this.buckets[at] ?? 0) + count;
    });
    for (const outcome of part.outcomes ?? []) {
      const key = `${outcome.code} ${outcome.flags} ${outcome.grpcStatus ?? ""}`;
      const known = this.outcomes.get(key);
      if (known) known.count += outcome.count;
      else this.outcomes.set(key, {...outcome});
    }
    return this;
  }

  // Milliseconds below which that share of the requests ended; null: there were none.
  quantile(share) {
    const all = this.buckets.reduce((sum, count) => sum + count, 0);
    if (all === 0) return null;
    let below = 0;
    for (let at = 0; at < ENDS.length; ++at) {
      const count = this.buckets[at] ?? 0;
      if (count > 0 && below + count >= share * all) {
        const begin = at === 0 ? 0 : ENDS[at - 1];
        return begin + ((ENDS[at] - begin) * (share * all - below)) / count;
      }
      below += count;
    }
    return ENDS[ENDS.length - 1];
  }

  get events() {
    return this.requests + this.opened;
  }
  get failedEvents() {
    return this.failures + this.broken;
  }
  // "good", "fair", "bad", or "none" without any. One failure of few is no alarm, but is seen.
  get state() {
    if (this.events === 0) return "none";
    const share = this.failedEvents / this.events;
    return share === 0 ? "good" : share < 0.01 ? "fair" : "bad";
  }
  get isSecure() {
    return this.events === 0 ? null : this.mutualTls >= this.events;
  }
  // Failures before what was refused, as `tullectl` has it, and of each the most frequent first.
  get errors() {
    return [...this.outcomes.values()].sort((a, b) => Boolean(b.failure) - Boolean(a.failure) || b.count - a.count);
  }
}

export function sumOf(parts) {
  const sum = new Traffic();
  for (const part of parts) sum.add(part);
  return sum;
}

// {key: Traffic}
export function sumsBy(links, keyOf) {
  const sums = new Map();
  for (const link of links) {
    const key = keyOf(link);
    if (!sums.has(key)) sums.set(key, new Traffic());
    sums.get(key).add(link);
  }
  return sums;
}

// One Traffic for each step of a history, of all its links together; null before anything is known.
export function stepsOf(history) {
  const steps = Array.from({length: history.steps ?? 0}, (_, at) => {
    const time = history.from + at * history.step;
    return time + history.step <= (history.knownFrom ?? 0) ? null : new Traffic();
  });
  for (const link of history.links) {
    for (const part of link.steps) {
      steps[Math.floor((part.at - history.from) / history.step)]?.add(part);
    }
  }
  return steps;
}
