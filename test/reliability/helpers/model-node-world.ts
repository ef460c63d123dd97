/** Plays a sequence on a node, and holds it against a simple model and the official tools. */
import { closeSync } from 'node:fs';
import type { ComputeNode, NodeEvent } from '#lib/compute-node/index';
import { APIError, KernelError } from '#lib/errors/index';

import { findDisorder, linksOf, openNode } from '../../kernel/helpers/node';
import { ipLinks } from '../../support/oracle';
import { run, sleep } from '../../support/run';
import type { Namespace } from '../../support/sandbox';
import { agree } from './agree';
import * as nodes from './model-node';
import type { Call, Harm, Sequence, Slot, Turn } from './model-node';
import type { Outcome } from './model-run';
import { OF_STRANGERS, wordsFor } from './model-strangers';

const MOST_REPAIRS = 3;

/** What calls that ran at the same time did to each VNIC, by its name in the model. */
interface Effects {
  readonly balance: Map<string, number>;
  /** Somebody gave up on it, or a stranger touched it: there, or not. */
  readonly uncertain: Set<string>;
  /** Something goes on behind the back of who gave up. */
  hasRefused: boolean;
}

export class NodeWorld {
  readonly #ns: Namespace;
  readonly #elsewhere: Namespace;
  #node: ComputeNode;
  readonly #heals: boolean;
  /** What the node told of strangers. */
  readonly #told: NodeEvent[] = [];
  readonly #present = new Set<string>();
  /** Each tenant's concentrator: at the one address, or at the other. */
  readonly #conc = Array.from({ length: nodes.TENANTS }, () => 0);
  #isHarmed = false;
  #strangers = 0;
  #operations = 0;

  private constructor(
    ns: Namespace,
    elsewhere: Namespace,
    { node, heals }: { readonly node: ComputeNode; readonly heals: boolean },
  ) {
    this.#heals = heals;
    this.#ns = ns;
    this.#elsewhere = elsewhere;
    this.#node = node;
  }

  /** Plays it from an empty namespace to an empty namespace. */
  static async play(ns: Namespace, elsewhere: Namespace, sequence: Sequence): Promise<Outcome> {
    const { heals, turns } = sequence;
    const world = new NodeWorld(ns, elsewhere, { node: await openNode(ns), heals });
    world.#listen();
    try {
      for (const turn of turns) await world.#take(turn);
      await world.#finish();
    } catch (error) {
      await world.#clear();
      throw error;
    }
    await world.#node.close();
    return { operations: world.#operations };
  }

  async #open(): Promise<void> {
    this.#node = await openNode(this.#ns);
    this.#listen();
  }

  #listen(): void {
    if (!this.#heals) return;
    const feed = this.#node.watch({ heal: true });
    void (async () => {
      for await (const event of feed) this.#told.push(event);
    })();
  }

  async #take(turn: Turn): Promise<void> {
    this.#operations += 1;
    switch (turn.op) {
      case 'together':
        await this.#together(turn);
        return;
      case 'repoint':
        await this.#repoint(turn.tenant);
        return;
      case 'reset': {
        const { failed } = await this.#node.resetNetwork();
        agree('what a reset could not delete', failed, []);
        this.#present.clear();
        return;
      }
      case 'repair':
        await this.#repair();
        return;
      case 'reopen':
        await this.#node.close();
        await this.#open();
    }
    this.#compare(new Set());
  }

  async #together({ calls, harms, closes }: Extract<Turn, { op: 'together' }>): Promise<void> {
    this.#operations += calls.length + harms.length - 1;
    if (harms.length > 0) this.#isHarmed = true;
    const effects: Effects = { balance: new Map(), uncertain: new Set(), hasRefused: false };
    const work = calls.map((call) => this.#perform(call, effects, closes));
    const harm = Promise.all(harms.map((each) => this.#harm(each, effects)));
    if (closes) {
      await sleep(3);
      await this.#node.close();
    }
    await Promise.all([...work, harm]);
    if (closes) await this.#open();
    if (harms.length > 0 || effects.hasRefused) await this.#node.dbRebuild();
    for (const [name, change] of effects.balance) {
      if (effects.uncertain.has(name)) continue;
      const count = (this.#present.has(name) ? 1 : 0) + change;
      if (count !== 0 && count !== 1) throw new Error(`${name} is there ${count} times`);
      if (count === 1) this.#present.add(name);
      else this.#present.delete(name);
    }
    this.#compare(effects.uncertain);
  }

  async #perform(call: Call, effects: Effects, closes: boolean): Promise<void> {
    await sleep(call.delay);
    const controller = new AbortController();
    if (call.abort !== undefined) setTimeout(() => controller.abort(), call.abort);
    const { signal } = controller;
    const options = { signal, ...(call.timeout !== undefined && { timeoutMs: call.timeout }) };
    try {
      await this.#send(call, options, effects);
    } catch (error) {
      if (!(error instanceof APIError)) throw error;
      this.#judge(error, call, closes);
      effects.hasRefused = true;
      // What a stranger touched meanwhile may not let itself be unmade.
      if (call.op === 'create' && this.#isHarmed) effects.uncertain.add(nameOf(call.slot));
      if (call.op === 'destroy') effects.uncertain.add(nameOf(call.slot));
      if (call.op === 'destroy-cnci') effects.uncertain.add(cnciNameOf(call.index));
    }
  }

  async #send(
    call: Call,
    options: { signal: AbortSignal; timeoutMs?: number },
    { balance }: Effects,
  ): Promise<void> {
    const note = (name: string, change: number) =>
      balance.set(name, (balance.get(name) ?? 0) + change);
    switch (call.op) {
      case 'create': {
        const config = this.#configOf(call.slot);
        const { vnic, created } = await this.#node.createVnic(config, options);
        for (const fd of vnic.fds ?? []) closeSync(fd);
        if (created) note(nameOf(call.slot), 1);
        return;
      }
      case 'destroy': {
        const config = this.#configOf(call.slot);
        if ((await this.#node.destroyVnic(config, options)).destroyed) note(nameOf(call.slot), -1);
        return;
      }
      case 'create-cnci': {
        const config = nodes.cnciConfigOf(call.index);
        const { created } = await this.#node.createCnciVnic(config, options);
        if (created) note(cnciNameOf(call.index), 1);
        return;
      }
      case 'destroy-cnci': {
        const config = nodes.cnciConfigOf(call.index);
        const { destroyed } = await this.#node.destroyCnciVnic(config, options);
        if (destroyed) note(cnciNameOf(call.index), -1);
        return;
      }
      case 'rebuild':
        await this.#node.dbRebuild(options);
        return;
      case 'audit':
        await this.#node.audit(options);
        return;
      case 'topology':
        this.#node.topology();
    }
  }

  /** Nobody is refused without a reason. */
  #judge(error: APIError, { abort, timeout }: Call, closes: boolean): void {
    if (error.code === 'SNNET_CALL_ABORTED' && abort !== undefined) return;
    if (error.code === 'SNNET_CALL_TIMEOUT' && timeout !== undefined) return;
    if (error.code === 'SNNET_HANDLE_CLOSED' && closes) return;
    if (!this.#isHarmed) throw error;
  }

  async #repoint(tenant: number): Promise<void> {
    const at = this.#conc[tenant] ?? 0;
    const from = nodes.concIpOf(at);
    const to = nodes.concIpOf(1 - at);
    try {
      await this.#node.repointConcentrator({ from, to, tenantId: nodes.tenantId(tenant) });
      this.#conc[tenant] = 1 - at;
    } catch (error) {
      if (!(error instanceof APIError) || !this.#isHarmed) throw error;
    }
    this.#compare(new Set());
  }

  // ------------------------------------------------------------------ strangers

  async #harm(harm: Harm, { uncertain }: Effects): Promise<void> {
    await sleep(harm.delay);
    const { subnets, vnics, cnciVnics } = this.#node.topology();
    const links = [
      ...subnets.flatMap(({ bridge, tunnel }) => [bridge, tunnel].filter((link) => link)),
      ...vnics,
      ...cnciVnics,
    ];
    const victim = links[harm.victim % Math.max(links.length, 1)];
    const bridge = subnets[harm.victim % Math.max(subnets.length, 1)]?.bridge?.linkName;
    if (['delete', 're-alias', 'move-away'].includes(harm.op)) {
      const vnic = vnics.find((candidate) => candidate === victim);
      if (vnic !== undefined) uncertain.add(this.#nameOfVnic(vnic));
      const cnci = cnciVnics.find((candidate) => candidate === victim);
      if (cnci !== undefined) uncertain.add(cnci.alias);
    }
    const name = `f${String((this.#strangers += 1))}`;
    const alias = victim !== undefined && 'alias' in victim ? victim.alias : undefined;
    const scope = subnets[harm.victim % 4]?.scope;
    const elsewhere = this.#elsewhere.name;
    const targets = { link: victim?.linkName, alias, bridge, scope, name, elsewhere };
    for (const words of wordsFor(harm.op, targets)) {
      await run(['ip', '-n', this.#ns.name, 'link', ...words], { check: false });
    }
  }

  /** Strangers take with them what is theirs. */
  async #sendStrangersAway(): Promise<void> {
    const here = (await linksOf(this.#ns)).filter(
      ({ ifname, ifalias }) => OF_STRANGERS.test(ifname) || ifalias === 'mine',
    );
    const gone = (await linksOf(this.#elsewhere)).map(({ ifname }) => ifname);
    await deleteLinks(
      this.#ns,
      here.map(({ ifname }) => ifname),
    );
    await deleteLinks(this.#elsewhere, gone);
  }

  // ------------------------------------------------------------------ comparing

  /** The snapshot has exactly the VNICs of the model; what is uncertain is taken as it is. */
  #compare(uncertain: ReadonlySet<string>): void {
    const actual = this.#namesInSnapshot();
    for (const name of uncertain) {
      if (actual.includes(name)) this.#present.add(name);
      else this.#present.delete(name);
    }
    agree('VNICs', actual.sort(), [...this.#present].sort());
  }

  async #repair(): Promise<readonly string[]> {
    const subnetKeys: Record<string, number> = {};
    for (const { scope, ids } of this.#node.topology().subnets) {
      const tenant = ids?.tenantId === nodes.tenantId(0) ? 0 : 1;
      subnetKeys[scope] = nodes.keyOf(tenant, Number(ids?.subnetId.slice(1)));
    }
    const { left } = await this.#node.repair({ subnetKeys });
    return left.map(({ finding, reason }) => `${finding.type}: ${finding.text}; ${reason}`);
  }

  /** In the end the model, the snapshot and the kernel agree, and nothing is out of order. */
  async #finish(): Promise<void> {
    if (this.#isHarmed) {
      await this.#sendStrangersAway();
      let left: readonly string[] = [];
      for (let n = 0; n < MOST_REPAIRS; n += 1) {
        left = await this.#repair();
        if ((await this.#node.audit()).findings.length === 0) break;
      }
      agree('what repair left', left, []);
    }
    // Waits for what goes on behind the back of who gave up: an audit in between would see half of it.
    await this.#node.dbRebuild();
    await this.#settle();
    if (!this.#isHarmed) agree('what was told of strangers', this.#told, []);
    agree('findings', (await this.#node.audit()).findings, []);
    this.#compare(new Set());
    agree('disorder', await findDisorder(this.#ns), []);
    agree('links', await this.#linksByIp(), this.#linksInSnapshot());
    // A process that begins anew sees the same.
    const before = this.#linksInSnapshot();
    await this.#node.close();
    await this.#open();
    agree('links after a restart', this.#linksInSnapshot(), before);
    this.#compare(new Set());
    await this.#node.resetNetwork();
    await this.#node.settle();
    agree('links at the end', await linksOf(this.#ns), []);
  }

  /** A bridge on its way out that a stranger gave another alias stays, and settling says so. */
  async #settle(): Promise<void> {
    const error = await this.#node.settle().then(
      () => undefined,
      (reason: unknown) => reason as Error,
    );
    if (error === undefined) return;
    const { cause } = error;
    const causes = cause instanceof AggregateError ? (cause.errors as unknown[]) : [cause];
    const isTheirs = (each: unknown): boolean =>
      each instanceof KernelError && each.name === 'ESTALE' && each.message.includes('"mine"');
    if (!this.#isHarmed || !causes.every(isTheirs)) throw error;
  }

  /** Whatever happened, the next sequence begins with nothing. */
  async #clear(): Promise<void> {
    await this.#node.resetNetwork().catch(() => undefined);
    await this.#node.settle().catch(() => undefined);
    await this.#node.close();
    await this.#sendStrangersAway();
    await deleteLinks(
      this.#ns,
      (await linksOf(this.#ns)).map(({ ifname }) => ifname),
    );
  }

  async #linksByIp(): Promise<string[]> {
    const links = (await ipLinks(this.#ns)).filter(
      ({ ifalias = '' }) =>
        /^(br|gre|vxlan|geneve|vnic|cncivnic)_/.test(ifalias) && ifalias !== 'vxlan_anchor',
    );
    return links.map(({ ifindex, ifname }) => `${String(ifindex)} ${ifname}`).sort();
  }

  #linksInSnapshot(): string[] {
    const { subnets, cnciVnics } = this.#node.topology();
    const links = [
      ...subnets.flatMap(({ bridge, tunnel, vnics }) => [bridge, tunnel, ...vnics]),
      ...cnciVnics,
    ];
    return links
      .flatMap((link) => (link === undefined ? [] : [`${String(link.ifIndex)} ${link.linkName}`]))
      .sort();
  }

  #namesInSnapshot(): string[] {
    const { vnics, cnciVnics } = this.#node.topology();
    return [...vnics.map((vnic) => this.#nameOfVnic(vnic)), ...cnciVnics.map(({ alias }) => alias)];
  }

  #nameOfVnic(vnic: { tenantId: string; subnetId: string; ip: string }): string {
    return `${vnic.tenantId} ${vnic.subnetId} ${vnic.ip}`;
  }

  #configOf(slot: Slot) {
    return nodes.configOf(slot, this.#conc[slot.tenant] ?? 0);
  }
}

function nameOf(slot: Slot): string {
  const { tenantId, subnetId, vnicIp } = nodes.configOf(slot, 0);
  return `${tenantId} ${subnetId} ${vnicIp}`;
}

function cnciNameOf(index: number): string {
  const { tenantId, vnicId } = nodes.cnciConfigOf(index);
  return `cncivnic_${tenantId}_${vnicId}`;
}

async function deleteLinks(ns: Namespace, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const input = names.map((name) => `link delete ${name}\n`).join('');
  await run(['ip', '-n', ns.name, '-force', '-batch', '-'], { input, check: false });
}
