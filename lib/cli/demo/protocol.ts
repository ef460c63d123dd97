import type { CreatedVnic, DestroyedVnic } from '../../compute-node';
import type { RemoteSubnet, RemovedSubnet } from '../../cnci';
import type { Drawable } from '../../draw';
import type { HostInput } from '../../dhcp';
import type { ErrorJson } from '../../errors';
import type { FirewallShutdown } from '../../firewall';
import type {
  ForwardingInput,
  PortMappingInput,
  RemoteSubnetConfigInput,
  TunnelKind,
  TunnelMode,
  VnicConfigInput,
} from '../../model';

/** What a process finds in the kernel when it opens everything. */
export interface Found {
  readonly mode: TunnelKind;
  /** Why there can be no firewall; absent where there can. */
  readonly noFirewall?: string;
  readonly hosts: readonly {
    readonly id: string;
    readonly subnets: number;
    readonly ports: number;
    readonly findings: number;
  }[];
  /** The processes that serve addresses and names, one for each subnet of a concentrator. */
  readonly servers: readonly number[];
}

/** What the process that uses the library can be asked. */
export interface Calls {
  open: { args: { mode: TunnelMode; stateDir: string }; result: Found };
  look: { args: Record<string, never>; result: Found };
  planVnic: { args: { node: string; config: VnicConfigInput }; result: string };
  createVnic: {
    args: { node: string; config: VnicConfigInput };
    result: Pick<CreatedVnic, 'created' | 'event'> & {
      readonly vnic: {
        readonly linkName: string;
        readonly interfaceName: string;
        readonly mtu: number;
      };
    };
  };
  destroyVnic: {
    args: { node: string; config: VnicConfigInput };
    result: Pick<DestroyedVnic, 'destroyed' | 'event'>;
  };
  addSubnet: { args: { cnci: string; config: RemoteSubnetConfigInput }; result: RemoteSubnet };
  delSubnet: { args: { cnci: string; config: RemoteSubnetConfigInput }; result: RemovedSubnet };
  setHosts: { args: { cnci: string; hosts: readonly HostInput[] }; result: null };
  /** Without devices it takes over what is there. The result is what it holds, as text. */
  openFirewall: {
    args: { cnci: string; externalDevices?: readonly string[] };
    result: string;
  };
  forward: { args: ForwardingInput; result: string };
  publish: { args: PortMappingInput; result: string };
  shutdownFirewall: { args: Record<string, never>; result: FirewallShutdown };
  shutdown: { args: { cnci: string }; result: { readonly removed: readonly string[] } };
  topology: { args: Record<string, never>; result: readonly Drawable[] };
  settle: { args: Record<string, never>; result: null };
  close: { args: Record<string, never>; result: null };
}

export type Method = keyof Calls;

export interface Request {
  readonly id: number;
  readonly method: Method;
  readonly args: unknown;
}

export type Reply =
  | { readonly id: number; readonly result: unknown; readonly ms: number }
  | { readonly id: number; readonly error: ErrorJson | { readonly message: string } };
