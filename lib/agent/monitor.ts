import { createRequire } from 'node:module';

import type * as Prometheus from 'prom-client';

import type { CnciAgentState } from './agent';
import type { AgentObserver } from './options';

/** What a monitor of an agent offers. */
export interface AgentMonitor {
  /** To be told by the agent. */
  readonly observer: AgentObserver;
  /** Whose state is shown from now on. */
  watch(agent: { readonly state: CnciAgentState }): void;
  /** In the format of Prometheus, and what to call it. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
}

/** Seconds: most take milliseconds, those that start a DHCP server some ten, and a backlog longer. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Counts what an agent does. */
export function makeAgentMonitor(): AgentMonitor {
  const prometheus = loadPrometheus();
  const registers = [new prometheus.Registry()];
  const [registry] = registers as [Prometheus.Registry];
  prometheus.collectDefaultMetrics({ register: registry });
  const requests = new prometheus.Histogram({
    name: 'snnet_agent_request_seconds',
    help: 'Requests by kind and outcome, and how long they took, waiting included',
    labelNames: ['kind', 'outcome'],
    buckets: BUCKETS,
    registers,
  });
  const reports = new prometheus.Counter({
    name: 'snnet_agent_reports_total',
    help: 'Attempts to tell the controllers something, by kind and outcome',
    labelNames: ['kind', 'outcome'],
    registers,
  });
  let agent: { readonly state: CnciAgentState } | undefined;
  for (const { name, help, read } of GAUGES) {
    new prometheus.Gauge({
      name: `snnet_agent_${name}`,
      help,
      registers,
      collect() {
        if (agent !== undefined) this.set(read(agent.state));
      },
    });
  }
  return {
    observer: {
      requested: (kind, outcome, seconds) => requests.observe({ kind, outcome }, seconds),
      reported: (kind, isSent) => reports.inc({ kind, outcome: isSent ? 'sent' : 'kept' }),
    },
    watch: (watched) => {
      agent = watched;
    },
    metrics: async () => ({ type: registry.contentType, text: await registry.metrics() }),
  };
}

interface GaugeRow {
  readonly name: string;
  readonly help: string;
  readonly read: (state: CnciAgentState) => number;
}

const GAUGES: readonly GaugeRow[] = [
  {
    name: 'connected',
    help: '1 while there is a connection to the scheduler or the message server',
    read: ({ peer }) => (peer === undefined ? 0 : 1),
  },
  { name: 'tunnels', help: 'Tunnels that are wished for', read: ({ tunnels }) => tunnels },
  { name: 'public_ips', help: 'Public addresses assigned', read: ({ publicIps }) => publicIps },
  {
    name: 'reports_waiting',
    help: 'Results that the controllers have not been told yet',
    read: ({ waitingReports }) => waitingReports,
  },
  {
    name: 'retries_waiting',
    help: 'What failed and is tried again',
    read: ({ waitingRetries }) => waitingRetries,
  },
  {
    name: 'bad_rows',
    help: 'Rows of the store that were not understood at start',
    read: ({ badRows }) => badRows,
  },
];

// When it is first needed: most who use this package measure nothing.
function loadPrometheus(): typeof Prometheus {
  return createRequire(__filename)('prom-client') as typeof Prometheus;
}
