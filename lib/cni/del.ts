import { containerOf, keyOf, keyOfAttachment } from './attachment';
import type { CniEnvironment } from './environment';
import { CniFailure, toCniFailure } from './failure';
import { isObject, parseNetwork } from './network-config';
import type { Network, NetworkHead } from './network-config';
import type { AttachedVnic, Setting } from './setting';

/** Lists of attachments that are in use; the second is what libraries sent before it was agreed upon. */
const VALID = ['cni.dev/valid-attachments', 'cni.dev/attachments'] as const;

/**
 * Takes a container off its network. What is gone is a success: the container's namespace, the VNIC, or
 * both, and what is left of a subnet that has lost its last VNIC goes.
 */
export async function del(
  setting: Setting,
  { containerId, ifname }: CniEnvironment,
  head: NetworkHead,
): Promise<void> {
  const key = keyOf({ network: head.name, containerId, ifname });
  await setting.lanes.run(key, async () => {
    const found = setting.find(key);
    const network = readNetwork(head, found);
    for (const vnic of found) await setting.destroy(vnic, network);
    if (found.length === 0 && network !== undefined) await setting.clearAway(network);
  });
}

/**
 * Takes off whatever container of this network is in use no longer. Without the list nothing is known,
 * and nothing goes.
 */
export async function collectGarbage(setting: Setting, head: NetworkHead): Promise<void> {
  const valid = readValid(head);
  if (valid === undefined) return;
  const stale = setting
    .inNetwork(head.name)
    .filter(({ attachment }) => !valid.has(`${attachment.container} ${attachment.ifname}`));
  const network = readNetwork(head, stale);
  const failures: CniFailure[] = [];
  await Promise.all(
    stale.map(({ attachment, altName }) =>
      setting.lanes
        .run(keyOfAttachment(attachment), async () => {
          // It may have gone while others had the lane.
          for (const vnic of setting.findExactly(altName)) await setting.destroy(vnic, network);
        })
        .catch((error: unknown) => {
          failures.push(toCniFailure(error));
        }),
    ),
  );
  const [first] = failures;
  if (first === undefined) return;
  throw new CniFailure(first.reason, first.message, {
    details: failures.map(({ message }) => message).join('\n'),
  });
}

/** A configuration that is of no use any more matters only where something has to be undone by it. */
function readNetwork(head: NetworkHead, found: readonly AttachedVnic[]): Network | undefined {
  try {
    return parseNetwork(head, 'DEL');
  } catch (error) {
    if (found.some(({ config }) => config === undefined)) throw error;
    return undefined;
  }
}

function readValid({ fields }: NetworkHead): ReadonlySet<string> | undefined {
  const lists = VALID.map((name) => fields[name]).filter((list) => list !== undefined);
  if (lists.length === 0 || lists.every((list) => list === null)) return undefined;
  const valid = new Set<string>();
  for (const list of lists) {
    if (list === null) continue;
    if (!Array.isArray(list)) throw new CniFailure('config', `${VALID[0]} is not a list`);
    for (const entry of list as readonly unknown[]) {
      const id = isObject(entry) ? entry['containerID'] : undefined;
      const ifname = isObject(entry) ? entry['ifname'] : undefined;
      if (typeof id !== 'string' || typeof ifname !== 'string') {
        throw new CniFailure('config', `${VALID[0]}: an entry lacks containerID or ifname`);
      }
      valid.add(`${containerOf(id)} ${ifname}`);
    }
  }
  return valid;
}
