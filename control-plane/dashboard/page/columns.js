// Columns of tables whose rows have `traffic`.
import {badge} from "./dom.js";
import {milliseconds, percent, rate} from "./format.js";

const latency = (name, share) => ({
  name, number: true, by: ({traffic}) => traffic.quantile(share) ?? -1, cell: ({traffic}) => milliseconds(traffic.quantile(share)),
});

// `seconds`: in which the traffic was.
export const goldenColumns = (seconds) => [
  {
    name: "Success", number: true, by: ({traffic}) => (traffic.events === 0 ? -1 : traffic.failedEvents / traffic.events),
    cell: ({traffic}) => badge(traffic.state, percent(traffic.events - traffic.failedEvents, traffic.events)),
  },
  {name: "RPS", number: true, by: ({traffic}) => traffic.events, cell: ({traffic}) => rate(traffic.events, seconds)},
  latency("p50", 0.5), latency("p95", 0.95), latency("p99", 0.99),
];

export const mutualTlsColumn = {
  name: "mTLS", by: ({traffic}) => traffic.mutualTls / (traffic.events || 1),
  cell: ({traffic}) => (traffic.isSecure ? badge("good", "yes") : badge("fair", percent(traffic.mutualTls, traffic.events))),
};
