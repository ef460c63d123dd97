/** A node on whose namespace commands of `snnet` are run, each a process of its own. */
import { runChild } from '../../support/child';
import type { ChildResult } from '../../support/child';
import type { Namespace, Sandbox } from '../../support/sandbox';

export const FILE = 'dist/cli/main.js';
export const ADDRESS = '198.51.100.1';

export const VNIC = [
  ...['--role', 'container', '--tenant-id', 'alpha', '--subnet-id', 'web'],
  ...['--conc-id', 'cnci-alpha', '--conc-ip', '198.51.100.21', '--vnic-id', 'v5'],
  ...['--vnic-ip', '172.16.1.5', '--vnic-mac', '02:00:ac:10:01:05'],
  ...['--subnet', '172.16.1.0/24', '--subnet-key', '101'],
];
export const CNCI_VNIC = [
  '--tenant-id',
  'alpha',
  '--vnic-id',
  'v1',
  '--vnic-mac',
  '02:00:00:00:00:01',
];
export const REMOTE = [
  '--subnet',
  '172.16.1.0/24',
  '--subnet-key',
  '101',
  '--cn-ip',
  '198.51.100.11',
];

export interface Stand {
  readonly ns: Namespace;
  snnet(...args: readonly string[]): Promise<ChildResult>;
  json(...args: readonly string[]): Promise<unknown>;
  readonly env: Readonly<Record<string, string>>;
}

export async function stand(box: Sandbox): Promise<Stand> {
  const ns = await box.netns('node');
  const far = await box.netns('far');
  await box.link({ ns, name: 'eth0', address: `${ADDRESS}/24` }, { ns: far, name: 'eth0' });
  const env = {
    SNNET_ID: 'cn1',
    SNNET_NETNS: ns.name,
    SNNET_COMPUTE_NET: '198.51.100.0/24',
    SNNET_ALLOW_VETH_UPLINK: '1',
    SNNET_TENANT_ID: '',
    // A test machine may be a container itself.
    SNNET_LIVENESS: 'namespaces-here',
  };
  const snnet = (...args: readonly string[]): Promise<ChildResult> =>
    runChild({ file: FILE }, { args, env });
  const json = async (...args: readonly string[]): Promise<unknown> => {
    const { status, stdout, stderr } = await snnet(...args, '--json');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return JSON.parse(stdout);
  };
  return { ns, env, snnet, json };
}

export function bare(...args: readonly string[]): Promise<ChildResult> {
  return runChild({ file: FILE }, { args });
}
