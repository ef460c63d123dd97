/** A host with an audit on it: what most tests of the audit begin with. */
import { AuditDaemon, namespacesAlive } from '#lib/audit/index';
import type { AuditEvent, AuditOptionsInput, AuditReport } from '#lib/audit/index';
import type { ComputeNode } from '#lib/compute-node/index';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';
import { Container } from './container';
import { makeHost, openNode } from './node';

export const GRACE_MS = 600_000;
/** As a test machine may be a container itself. */
export const namespaces = namespacesAlive({ trustPidNamespace: true });

/** A host with a node, an audit whose clock we set, and what it delivered. */
export class AuditBed implements AsyncDisposable {
  readonly box: Sandbox;
  readonly ns: Namespace;
  readonly node: ComputeNode;
  readonly events: AuditEvent[] = [];
  readonly containers: Container[] = [];
  nowMs = 1000;

  private constructor(box: Sandbox, ns: Namespace, node: ComputeNode) {
    this.box = box;
    this.ns = ns;
    this.node = node;
  }

  static async open(): Promise<AuditBed> {
    const box = await Sandbox.open();
    const ns = await makeHost(box);
    return new AuditBed(box, ns, await openNode(ns));
  }

  audit(options: Partial<AuditOptionsInput> = {}): AuditDaemon {
    const deliver = (event: AuditEvent) => this.events.push(event);
    return new AuditDaemon(
      this.node,
      { graceMs: GRACE_MS, deliver, liveness: namespaces, ...options },
      { now: () => this.nowMs },
    );
  }

  async container(id: string): Promise<Container> {
    const container = await Container.start(id);
    this.containers.push(container);
    return container;
  }

  /** Another process that knows nothing but what the kernel says. */
  async restartedNode(): Promise<ComputeNode> {
    return await openNode(this.ns);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.containers.map((container) => container[Symbol.asyncDispose]()));
    await this.node.resetNetwork();
    await this.node.settle();
    await this.node.close();
    await this.box[Symbol.asyncDispose]();
  }
}

/** Rounds as the daemon makes them, a minute apart. */
export async function rounds(
  bed: AuditBed,
  audit: AuditDaemon,
  count: number,
): Promise<AuditReport[]> {
  const reports: AuditReport[] = [];
  for (let round = 0; round < count; round += 1) {
    reports.push(await audit.round());
    bed.nowMs += 60_000;
  }
  return reports;
}
