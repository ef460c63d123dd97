import { statSync } from 'node:fs';

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
  /** Destinations of all routes of the main table. */
  readonly destinations: ReadonlySet<string>;
}

/** The inode of a network namespace: what tells it from others. No disk is asked, so it takes no time. */
export function inodeOf(path: string): number {
  try {
    return statSync(path).ino;
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
      destinations: new Set(routes.map(({ destination }) => destination)),
    };
  } finally {
    await kernel.close();
  }
}
