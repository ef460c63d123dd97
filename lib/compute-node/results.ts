import type { ContainerNetwork, TunnelEvent } from './events';
import type { Vnic } from './vnic';

/** What `createVnic` gives. */
export interface CreatedVnic {
  readonly vnic: Vnic;
  /** False where it was there already, or another call made it meanwhile. */
  readonly created: boolean;
  /** To be delivered to the concentrator; absent where its tunnel is there already. */
  readonly event?: TunnelEvent;
  /** For containers only. */
  readonly container?: ContainerNetwork;
}

/** What `destroyVnic` gives. */
export interface DestroyedVnic {
  /** False where it was gone already. */
  readonly destroyed: boolean;
  /** To be delivered to the concentrator; absent while other VNICs use the tunnel. */
  readonly event?: TunnelEvent;
  /** Absent while the container network stays. */
  readonly container?: ContainerNetwork;
}
