/** The network beneath: nodes on one bridge, each with an address of 198.51.100.0/24 on `eth0`. */
import type { Namespace } from './namespaces';
import type { Sandbox } from './sandbox';

export const UNDERLAY = '198.51.100.0/24';

/** Makes a namespace for each label, joined by a bridge in a namespace of its own. */
export async function openUnderlay<L extends string>(
  box: Sandbox,
  labels: readonly L[],
): Promise<Record<L, Namespace & { readonly address: string }>> {
  const middle = await box.netns('underlay', { leaves: 'anything' });
  await box.exec(middle, ['ip', 'link', 'add', 'name', 'switch', 'type', 'bridge']);
  await box.exec(middle, ['ip', 'link', 'set', 'dev', 'switch', 'up']);
  const nodes = {} as Record<L, Namespace & { readonly address: string }>;
  for (const [index, label] of labels.entries()) {
    const ns = await box.netns(label);
    const address = `198.51.100.${String(index + 1)}`;
    await box.link(
      { ns: middle, name: `to${String(index)}` },
      { ns, name: 'eth0', address: `${address}/24` },
    );
    await box.exec(middle, [
      'ip',
      'link',
      'set',
      'dev',
      `to${String(index)}`,
      'master',
      'switch',
      'up',
    ]);
    nodes[label] = { ...ns, address };
  }
  return nodes;
}

/** Moves a container's end into its namespace and gives it its address, as a runtime would. */
export async function plug(
  box: Sandbox,
  from: Namespace,
  workload: Namespace,
  end: { readonly interfaceName: string; readonly address: string },
): Promise<void> {
  const { interfaceName, address } = end;
  await box.exec(from, ['ip', 'link', 'set', 'dev', interfaceName, 'netns', workload.name]);
  await box.exec(workload, ['ip', 'address', 'add', address, 'dev', interfaceName]);
  await box.exec(workload, ['ip', 'link', 'set', 'dev', interfaceName, 'up']);
}
