import { APIError } from '../errors';
import type { Kernel, KernelOptions } from '../kernel';
import { withOperation } from '../model';
import type { FirewallOptions, Logger } from '../model';
import type { Step } from '../plan';
import { Ledger, MESH } from '../ruleset';
import type { Ownership } from '../ruleset';
import { Surroundings, readForwarding, setForwarding } from './surroundings';
import { FirewallTable, establishment } from './table';

/** @internal What tests may replace. */
export type FirewallHooks = Pick<KernelOptions, 'fault'> & {
  /** As a kernel that does not guard tables. */
  readonly ownership?: Ownership;
};

export const OPEN = 'Firewall.open';

/** What opening found and will do. */
export interface Opening {
  readonly ledger: Ledger;
  readonly standing: Awaited<ReturnType<typeof FirewallTable.read>>;
  /** After the table, so that nothing is forwarded before it is closed. */
  readonly then: readonly Step[];
}

/** Looks at what is there, and decides what is to be. Changes nothing. */
export async function planOpening(
  kernel: Kernel,
  options: FirewallOptions,
  logger: Logger,
): Promise<Opening> {
  const standing = await FirewallTable.read(kernel, OPEN);
  const isForwarding = await readForwarding(kernel);
  const surroundings = await Surroundings.read(kernel);
  const former = standing?.ledger;
  const { guardInput, externalDevices, internalDevices } = options;
  const ledger = former?.copy() ?? new Ledger({ guardInput, forwardedBefore: isForwarding });
  ledger.options = { ...ledger.options, guardInput };
  for (const name of [MESH, ...internalDevices]) ledger.inside.add(name);
  if (externalDevices.length > 0) nameExternal(ledger, externalDevices, logger);
  withOperation(OPEN, () => {
    checkDevices(ledger, former, surroundings);
  });
  const rows = [...ledger.published].map(([address, { device }]) => ({ address, device }));
  const then = [...surroundings.additions(rows), ...setForwarding(true, isForwarding)];
  return { ledger, standing, then };
}

/** The steps, for a dry run. */
export function stepsOf({ standing, ledger, then }: Opening): readonly Step[] {
  const ownership = standing?.holder === 'nobody' ? 'shared' : 'owned';
  const first = establishment(standing, ledger, ownership);
  return first === undefined ? then : [first, ...then];
}

/** Throws where another process has the table. */
export function refuseHeld({ standing }: Opening): void {
  if (standing?.holder !== 'somebody') return;
  throw new APIError('SNNET_FIREWALL_HELD', { operation: OPEN });
}

// A device that is no longer named goes, unless somebody's mappings would go with it.
function nameExternal(ledger: Ledger, wanted: readonly string[], logger: Logger): void {
  for (const device of [...ledger.external]) {
    if (wanted.includes(device)) continue;
    if (ledger.isUsed(device)) {
      logger.warn('an external device that is no longer named still has mappings', { device });
      continue;
    }
    ledger.external.delete(device);
    ledger.ports.delete(device);
  }
  for (const device of wanted) ledger.external.add(device);
}

function checkDevices(
  ledger: Ledger,
  former: Ledger | undefined,
  surroundings: Surroundings,
): void {
  if (ledger.external.size === 0) {
    throw new APIError('SNNET_FIREWALL_ABSENT', {
      detail: 'so `externalDevices` must name a link',
    });
  }
  const isKnown = (device: string): boolean => former?.external.has(device) === true;
  // One that was there before may come back.
  surroundings.refuseAbsent(
    [...ledger.external].filter((device) => !isKnown(device)),
    'externalDevices',
  );
  for (const device of ledger.inside) {
    if (!ledger.external.has(device)) continue;
    throw new APIError('SNNET_FIREWALL_CONFLICT', {
      field: 'externalDevices',
      value: device,
      expected: 'a link that leads outside',
      detail: "it is a tenant's link already",
    });
  }
}
