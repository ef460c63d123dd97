import { keyOf } from './attachment';
import type { CniEnvironment } from './environment';
import { inodeOf, viewContainer } from './container';
import { CniFailure } from './failure';
import type { NetworkHead } from './network-config';
import { addressFor, parsePreviousResult } from './result';
import type { PreviousResult } from './result';
import type { AttachedVnic, Setting } from './setting';

/**
 * Compares a container's interface, and the host's end of it, with what ADD said. Throws where they
 * differ. A later plugin of the chain may have added to it: more is no difference.
 */
export async function check(
  setting: Setting,
  environment: CniEnvironment,
  head: NetworkHead,
): Promise<void> {
  const { containerId, ifname, netns } = environment;
  if (head.fields['prevResult'] === undefined) {
    throw new CniFailure('config', 'CHECK needs prevResult in the network configuration');
  }
  const previous = parsePreviousResult(head.fields['prevResult']);
  const [vnic] = setting.find(keyOf({ network: head.name, containerId, ifname }));
  if (vnic === undefined) throw differs(`${containerId} has no VNIC for ${ifname}`);
  if (vnic.attachment.netns !== inodeOf(netns)) {
    throw differs(`the VNIC of ${containerId} is in another namespace than ${netns}`);
  }
  checkAddress(vnic, previous, ifname);
  await checkContainer(environment, vnic, previous);
  await checkHost(setting, vnic);
}

function checkAddress(vnic: AttachedVnic, previous: PreviousResult, ifname: string): void {
  const said = addressFor(previous, ifname);
  if (said === undefined) throw differs(`prevResult gives ${ifname} no address`);
  if (said !== vnic.vnic.ip) {
    throw differs(`the VNIC has the address ${vnic.vnic.ip}, and prevResult says ${said}`);
  }
}

async function checkContainer(
  { netns, ifname }: CniEnvironment,
  { vnic }: AttachedVnic,
  previous: PreviousResult,
): Promise<void> {
  const { link, addresses, destinations } = await viewContainer(netns, ifname);
  if (link === undefined) throw differs(`there is no ${ifname} in ${netns}`);
  if (!link.isUp) throw differs(`${ifname} is down`);
  const entry = previous.interfaces.find(
    ({ name, sandbox }) => name === ifname && (sandbox ?? '') !== '',
  );
  const mac = entry?.['mac'];
  // Plugins such as tuning may change it, and say so in the result.
  if (typeof mac === 'string' && mac.toLowerCase() !== link.address) {
    throw differs(`${ifname} has the MAC address ${link.address}, and prevResult says ${mac}`);
  }
  if (!addresses.some(({ address }) => address === vnic.ip)) {
    throw differs(`${ifname} has lost its address ${vnic.ip}`);
  }
  // By whichever interface: of several networks the first has the default route.
  const missing = previous.routes.find(({ dst }) => !destinations.has(String(dst)));
  if (missing !== undefined)
    throw differs(`the container has no route to ${String(missing['dst'])}`);
}

async function checkHost(setting: Setting, { vnic, bridge }: AttachedVnic): Promise<void> {
  const { findings } = await setting.node.audit();
  // `vnic_<scope>##<address>`.
  const scope = vnic.alias.slice(vnic.alias.indexOf('_') + 1, vnic.alias.lastIndexOf('##'));
  const concerns = findings.find(({ link, subnet, type }) => {
    if (link?.linkName === vnic.linkName || link?.linkName === bridge) return true;
    return subnet === scope && (type === 'missing-tunnel' || type === 'missing-bridge');
  });
  if (concerns !== undefined) throw differs(concerns.text, `repair: ${concerns.remedy}`);
}

function differs(what: string, details?: string): CniFailure {
  return new CniFailure('check', what, { details });
}
