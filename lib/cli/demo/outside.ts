import { debugSshPortForIp } from '../../model';
import { ALPHA_5, INTERNET, SSH_PORT, SUBNET, UPLINK, WEB_PORT } from './cast';
import type { NetworkClient } from './network-client';
import type { Report } from './report';
import { Greeter, hear, listTables } from './services';
import { countEchoes, ping } from './stage';
import { answers, isWhole } from './wording';

const WHO = ALPHA_5;
const SSH_PORT_OUTSIDE = debugSshPortForIp(WHO.ip);

/** The firewall of the concentrator that has an uplink to the internet, through all scenes. */
export class Outside {
  /** Why this kernel can have no firewall; then all of it is left out. */
  impediment: string | undefined;
  readonly #report: Report;
  readonly #greeters: Greeter[] = [];
  #state = '';

  constructor(report: Report) {
    this.#report = report;
  }

  /** Closed first, then open in one direction, then in the other for one port. */
  async play(client: NetworkClient): Promise<void> {
    const { cnci, device, address } = UPLINK;
    this.#report.scene(`A firewall at ${cnci.id}: its tenant and the internet`);
    if (this.impediment !== undefined) {
      this.#report.show(`left out: ${this.impediment}`);
      return;
    }
    const devices = { cnci: cnci.id, externalDevices: [device] };
    await client.call('openFirewall', devices);
    await this.#tryClosed();
    const bridge = await this.#bridge(client);
    await client.call('forward', { externalDevice: device, internalDevice: bridge });
    await this.#tryOut('extFwding enable');
    this.#greeters.push(await Greeter.start(INTERNET.id, WEB_PORT));
    const seen = await hear(WHO.name, INTERNET.address, WEB_PORT);
    this.#report.check(
      `${WHO.name} connects to ${INTERNET.id}, which sees ${seen.split(' ')[1] ?? 'nobody'}, the concentrator`,
      seen === `${INTERNET.id} ${address}`,
    );
    this.#greeters.push(await Greeter.start(WHO.name, SSH_PORT));
    const { result } = await client.call('publish', {
      protocol: 'tcp',
      externalDevice: device,
      externalPort: SSH_PORT_OUTSIDE,
      internalIp: WHO.ip,
      internalPort: SSH_PORT,
    });
    await this.#tryIn('extPortAccess enable');
    this.#state = result;
  }

  /** Nobody is there who could put anything right. */
  async stillWorks(): Promise<void> {
    if (this.impediment !== undefined) return;
    await this.#tryOut('nor does the firewall');
  }

  async takeOver(client: NetworkClient): Promise<void> {
    if (this.impediment !== undefined) return;
    const { result } = await client.call('openFirewall', { cnci: UPLINK.cnci.id });
    const count = result.split('\n').length;
    this.#report.check(
      `the firewall: ${String(count)} lines of state, the same as before`,
      result === this.#state,
    );
    await this.#tryIn('and it works');
  }

  async shutDown(client: NetworkClient): Promise<void> {
    if (this.impediment !== undefined) return;
    await this.stop();
    const { result } = await client.call('shutdownFirewall', {});
    const does = result.forwarding ? 'still forwards' : 'forwards no longer';
    this.#report.show(`firewall shut down: ${UPLINK.cnci.id} ${does}`);
  }

  /** What is left of it, by the word of `nft`. */
  async remains(): Promise<string[]> {
    return this.impediment === undefined ? await listTables() : [];
  }

  /** Ends what listens. */
  async stop(): Promise<void> {
    await Promise.all(this.#greeters.splice(0).map((greeter) => greeter.stop()));
  }

  async #tryClosed(): Promise<void> {
    const before = await countEchoes(INTERNET.id);
    const closed = await ping(WHO, INTERNET.address, { count: 1 });
    const heard = (await countEchoes(INTERNET.id)) - before;
    this.#report.check(
      `Firewall.open: ${WHO.name} → ${INTERNET.address}: ${answers(closed)}; the ${INTERNET.id} heard ${String(heard)}`,
      closed.received === 0 && heard === 0,
    );
  }

  async #tryOut(what: string): Promise<void> {
    const out = await ping(WHO, INTERNET.address);
    this.#report.check(`${what}: ${WHO.name} → ${INTERNET.address}: ${answers(out)}`, isWhole(out));
  }

  async #tryIn(what: string): Promise<void> {
    const heard = await hear(INTERNET.id, UPLINK.address, SSH_PORT_OUTSIDE);
    const [name = ''] = heard.split(' ');
    this.#report.check(
      `${what}: ${INTERNET.id} → ${UPLINK.address}:${String(SSH_PORT_OUTSIDE)}: ${name === '' ? 'nobody' : name} answers, port ${String(SSH_PORT)}`,
      name === WHO.name,
    );
  }

  /** The bridge of the tenant's subnet, which the firewall lets out. */
  async #bridge(client: NetworkClient): Promise<string> {
    const { result } = await client.call('topology', {});
    for (const host of result) {
      if (host.type !== 'cnci' || host.id !== UPLINK.cnci.id) continue;
      const name = host.subnets.find(({ subnet }) => subnet === SUBNET.cidr)?.bridge?.linkName;
      if (name !== undefined) return name;
    }
    throw new Error(`${UPLINK.cnci.id} has no bridge for ${SUBNET.cidr}`);
  }
}
