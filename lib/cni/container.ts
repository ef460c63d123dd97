import { stat } from 'node:fs/promises';

import { Kernel } from '../kernel';
import type { AddressRow, LinkRow, RouteRow } from '../kernel';
import { CniFailure } from './failure';

/** What a container has, as the kernel shows it. */
export interface ContainerView {
  /** Absent where there is no such interface. */
  readonly link: LinkRow | undefined;
  readonly addresses: readonly AddressRow[];
  /** Of the main table, by that interface, less the one that comes with its address. */
  readonly routes: readonly RouteRow[];
}

/** The inode of a network namespace: what tells it from others. */
export async function inodeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).ino;
  } catch (cause) {
    const details = cause instanceof Error ? cause.message : String(cause);
    throw new CniFailure('environment', `CNI_NETNS: there is no namespace at ${path}`, {
      details,
      cause,
    });
  }
}

/** Looks into a container's namespace. */
export async function viewContainer(netns: string, ifname: string): Promise<ContainerView> {
  const kernel = await Kernel.open({ netns });
  try {
    const links = await kernel.links();
    const [addresses, routes] = await Promise.all([kernel.addresses(), kernel.routes()]);
    const link = links.find((row) => row.ifname === ifname);
    const isOf = ({ ifindex }: { readonly ifindex: number }): boolean => ifindex === link?.ifindex;
    return {
      link,
      addresses: addresses.filter(isOf),
      routes: routes.filter((route) => isOf(route) && route.via !== undefined),
    };
  } finally {
    await kernel.close();
  }
}
