/**
 * Our own child on a concentrator: subnets of compute nodes, each with a bridge of its own.
 */
import { Cnci } from '#lib/index';

import { microsecondsSince, type Answer, type Command } from './protocol';

async function addSubnets(n: number, subnetOf: (i: number) => string): Promise<Answer> {
  const us: number[] = [];
  const cnci = await Cnci.open({
    id: '33333333-3333-4333-8333-333333333333',
    tenantId: '11111111-1111-4111-8111-111111111111',
    mode: 'vxlan',
    computeNets: ['198.51.100.0/24'],
    allowVethUplink: true,
  });
  try {
    for (let i = 0; i < n; i++) {
      const config = { subnet: subnetOf(i), subnetKey: 2000 + i, cnIp: '198.51.100.9' };
      const start = process.hrtime.bigint();
      await cnci.addRemoteSubnet(config);
      us.push(microsecondsSince(start));
    }
    return { us, count: cnci.topology().subnets.length };
  } finally {
    await cnci.shutdown();
    await cnci.close();
  }
}

/** Nothing where the command is for somebody else. */
export async function executeOnCnci({ cmd, n }: Command): Promise<Answer | undefined> {
  switch (cmd) {
    case 'subnet-24':
      return addSubnets(n, (i) => `10.0.${i}.0/24`);
    case 'subnet-16':
      return addSubnets(n, (i) => `10.${i}.0.0/16`);
    default:
      return undefined;
  }
}
