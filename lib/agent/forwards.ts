import { isLibsnnetError } from '../errors';
import type { Firewall } from '../firewall';
import { addressToNumber, hostAddresses, networkAddress, prefixLength, sshPortOf } from '../model';
import type { Ipv4Cidr, Logger, PortMappingInput } from '../model';

/** A subnet that is to reach the outside, and to be reached. */
export interface ForwardWish {
  readonly subnet: Ipv4Cidr;
  /** Link name. */
  readonly bridge: string;
}

export interface ForwardSettings {
  readonly firewall: Firewall;
  readonly externalDevice: string;
  /** A port of the concentrator for each workload's port 22. */
  readonly ssh: boolean;
  readonly logger: Logger;
}

interface Waiting {
  readonly wish: ForwardWish;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const SSH = 22;
/** From this third byte on the formula gives ports that there are not. */
const FIRST_WITHOUT_PORT = 127;
/** In a larger subnet the formula gives one port to several workloads. */
const LARGEST_WITH_SSH = 16;
/** Some thousand ports: more at once costs more memory than it saves time. */
const MOST_AT_ONCE = 16;
const TIMEOUT_MS = 60_000;

/**
 * Opens the ways between subnets and the outside. Wishes that come while a transaction is under way
 * share the next one.
 */
export class Forwards {
  readonly #settings: ForwardSettings;
  readonly #waiting: Waiting[] = [];
  #isFlushing = false;

  constructor(settings: ForwardSettings) {
    this.#settings = settings;
  }

  /** Resolves when the subnet's traffic gets through. A port that cannot be had is said, and no failure. */
  open(wish: ForwardWish): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ wish, resolve, reject });
      if (!this.#isFlushing) void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    this.#isFlushing = true;
    // Those of one turn of the event loop go together from the beginning.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#openBatch(this.#waiting.splice(0, MOST_AT_ONCE));
    this.#isFlushing = false;
  }

  async #openBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#openAll(batch.map(({ wish }) => wish));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      // Nobody fails for what another wanted.
      else for (const one of batch) await this.#openBatch([one]);
    }
  }

  async #openAll(wishes: readonly ForwardWish[]): Promise<void> {
    const { firewall, externalDevice, ssh } = this.#settings;
    const options = { timeoutMs: TIMEOUT_MS };
    const pairs = wishes.map(({ bridge }) => ({ externalDevice, internalDevice: bridge }));
    await firewall.extFwding('enable', pairs, options);
    if (!ssh) return;
    const ports = wishes.map((wish) => ({ wish, mappings: this.#mappingsOf(wish) }));
    try {
      await this.#mapPorts(ports.flatMap(({ mappings }) => mappings));
    } catch (error) {
      if (!isLibsnnetError(error)) throw error;
      for (const { wish, mappings } of ports) await this.#mapAlone(wish, mappings);
    }
  }

  async #mapAlone(wish: ForwardWish, mappings: readonly PortMappingInput[]): Promise<void> {
    try {
      await this.#mapPorts(mappings);
    } catch (error) {
      if (!isLibsnnetError(error)) throw error;
      // Two subnets may differ in the bytes only that the formula leaves out.
      const fields = { subnet: wish.subnet, why: error.message };
      this.#settings.logger.warn('the workloads of a subnet cannot be reached by SSH', fields);
    }
  }

  async #mapPorts(mappings: readonly PortMappingInput[]): Promise<void> {
    if (mappings.length === 0) return;
    await this.#settings.firewall.extPortAccess('enable', mappings, { timeoutMs: TIMEOUT_MS });
  }

  #mappingsOf({ subnet }: ForwardWish): readonly PortMappingInput[] {
    const { externalDevice, logger } = this.#settings;
    const mappings = sshMappings(subnet, externalDevice);
    if (!isCovered(subnet)) {
      logger.warn('not every workload of a subnet can be reached by SSH', {
        subnet,
        ports: mappings.length,
      });
    }
    return mappings;
  }
}

/** The ports for SSH of all workloads of a subnet that have one. */
export function sshMappings(subnet: Ipv4Cidr, externalDevice: string): readonly PortMappingInput[] {
  if (prefixLength(subnet) < LARGEST_WITH_SSH) return [];
  const mappings: PortMappingInput[] = [];
  let address = addressToNumber(networkAddress(subnet)) + 2;
  for (const internalIp of hostAddresses(subnet)) {
    if (!hasPort(address)) break;
    const externalPort = sshPortOf(address++);
    mappings.push({ protocol: 'tcp', externalDevice, externalPort, internalIp, internalPort: SSH });
  }
  return mappings;
}

/** Whether the last workload has a port, and with it all. */
function isCovered(subnet: Ipv4Cidr): boolean {
  const length = prefixLength(subnet);
  if (length < LARGEST_WITH_SSH) return false;
  const last = addressToNumber(networkAddress(subnet)) + 2 ** (32 - length) - 2;
  return hasPort(last);
}

/** @param address - As a number. */
function hasPort(address: number): boolean {
  return ((address >>> 8) & 0xff) < FIRST_WITHOUT_PORT;
}
