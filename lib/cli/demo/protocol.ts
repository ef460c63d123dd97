import type { CreatedVnic, DestroyedVnic } from '../../compute-node';
import type { RemoteSubnet, RemovedSubnet } from '../../cnci';
import type { Drawable } from '../../draw';
import type { ErrorJson } from '../../errors';
import type { RemoteSubnetConfigInput, TunnelKind, TunnelMode, VnicConfigInput } from '../../model';

/** What a process finds in the kernel when it opens everything. */
export interface Found {
  readonly mode: TunnelKind;
  readonly hosts: readonly {
    readonly id: string;
    readonly subnets: number;
    readonly ports: number;
    readonly findings: number;
  }[];
}

/** What the process that uses the library can be asked. */
export interface Calls {
  open: { args: { mode: TunnelMode }; result: Found };
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
