import { release } from 'node:os';
import type { Command } from 'commander';
import { probe } from '../kernel';
import type { Capabilities } from '../kernel';
import { TUNNEL_KINDS } from '../model';
import type { TunnelKind } from '../model';
import { CommandFailure } from './failure';
import { print } from './output';
import { PRIVILEGE_ADVICE } from './privilege';

const LINK_KIND = { gre: 'gretap', vxlan: 'vxlan', geneve: 'geneve' } as const;
const NFT_WORDS = {
  inetNat: 'NAT in inet tables',
  concatenatedMaps: 'maps of several fields',
  owner: 'tables with an owner',
  persist: 'tables that outlive it',
} as const satisfies Partial<Record<keyof Capabilities['nft'], string>>;
const NEEDED = ['bridge', 'veth'] as const;

/** `snnet doctor`: what this kernel and these privileges allow. */
export function addDoctorCommand(program: Command): void {
  const command = program
    .command('doctor')
    .description('what this kernel and these privileges allow; status 1 if it is not enough')
    .action(async () => {
      const { json } = command.optsWithGlobals<{ readonly json?: boolean }>();
      const found = await probe();
      const lacks = findLacks(found);
      const mode = preferredMode(found);
      const data = { kernel: release(), node: process.version, mode, ...found, lacks };
      print(json, { data, text: describe(found, mode).join('\n') });
      if (lacks.length > 0) throw new CommandFailure(`this machine lacks ${lacks.join(', ')}`);
    });
}

/** What `auto` would choose. */
function preferredMode({ linkKinds }: Capabilities): TunnelKind | undefined {
  return TUNNEL_KINDS.find((kind) => linkKinds[LINK_KIND[kind]]);
}

function findLacks(found: Capabilities): string[] {
  if (!found.netAdmin) return ['CAP_NET_ADMIN'];
  const lacks: string[] = NEEDED.filter((kind) => !found.linkKinds[kind]);
  return preferredMode(found) === undefined ? [...lacks, 'every kind of tunnel'] : lacks;
}

function describe(found: Capabilities, mode: TunnelKind | undefined): string[] {
  const { linkKinds, tun, netAdmin, namespaces, nft, remarks } = found;
  const yesOrNo = (isThere: boolean): string => (isThere ? 'yes' : 'no');
  const rows: [string, string][] = [
    ['may change links (CAP_NET_ADMIN)', yesOrNo(netAdmin)],
    ['may make namespaces (CAP_SYS_ADMIN)', yesOrNo(namespaces)],
    ['taps for VMs (/dev/net/tun)', yesOrNo(tun)],
    // Who may not make a link cannot find out which kinds there are.
    ...Object.entries(linkKinds).map(([kind, isThere]): [string, string] => [
      kind,
      netAdmin ? yesOrNo(isThere) : 'unknown',
    ]),
    ['nftables', yesOrNo(nft.tables)],
    ...Object.entries(NFT_WORDS).map(([name, words]): [string, string] => [
      `nftables: ${words}`,
      nft.tables && namespaces ? yesOrNo(nft[name as keyof typeof NFT_WORDS]) : 'unknown',
    ]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return [
    `kernel ${release()}, node ${process.version}`,
    ...rows.map(([name, answer]) => `  ${name.padEnd(width)}  ${answer}`),
    `tunnels in mode auto: ${mode ?? (netAdmin ? 'none' : 'unknown')}`,
    ...remarks.map((remark) => `! ${remark}`),
    ...(netAdmin ? [] : [`! ${PRIVILEGE_ADVICE}`]),
  ];
}
