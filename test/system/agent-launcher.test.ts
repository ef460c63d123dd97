/** A launcher's end over SSNTP: what may have been lost with a connection is sent again on the next. */
import { parseAgentRequest } from '#lib/agent/messages/index';
import type { TenantEvent } from '#lib/index';
import { SsntpLauncherTransport } from '#lib/index';
import { issue } from '../support/certificates';
import { patience, until } from '../support/run';
import { tenantYaml } from '../kernel/helpers/agent-stand';
import { eventsOf, listen, LOOPBACK, next, PAIRS, text } from './helpers/ssntp';

const UUID = '2478711d-dce9-48d6-b83a-a717417072ce';
const MINUTE_MS = 60_000 * patience;

const event = (tenantSubnet: string, kind: TenantEvent['kind'] = 'tenant-added'): TenantEvent =>
  parseAgentRequest(kind, tenantYaml(kind, { tenantSubnet })) as TenantEvent;

test(
  'an event is a frame of the original, and comes again after a connection broke',
  async () => {
    const pair = PAIRS.openssl;
    const first = await listen(pair);
    const { port } = first.address;
    const { pem } = issue({ issuer: pair.ca, roles: [1], name: 'launcher' });
    const transport = SsntpLauncherTransport.open({
      uuid: UUID,
      certificate: pem,
      ca: pair.ca.certificate,
      servers: [`${LOOPBACK}:${String(port)}`],
    });
    try {
      const events = eventsOf(first);
      await next(events, 'connected');
      await until(() => transport.isConnected, MINUTE_MS);
      await transport.send(event('172.16.1.0/24'));
      await transport.send(event('172.16.1.0/24', 'tenant-removed'));
      const { frame } = await next(events, 'frame');
      expect([frame.type, frame.operand, frame.origin]).toEqual(['EVENT', 'TenantAdded', UUID]);
      expect(text(frame.payload)).toBe(tenantYaml('tenant-added', {}));
      expect((await next(events, 'frame')).frame.operand).toBe('TenantRemoved');
      await first.close();
      await until(() => !transport.isConnected, MINUTE_MS);
      await expect(transport.send(event('172.16.9.0/24'))).rejects.toMatchObject({
        code: 'SNNET_SSNTP_UNREACHABLE',
      });
      const second = await listen(pair, { port });
      try {
        const again = eventsOf(second);
        await next(again, 'connected');
        const operands = [await next(again, 'frame'), await next(again, 'frame')];
        expect(operands.map(({ frame: { operand } }) => operand)).toEqual([
          'TenantAdded',
          'TenantRemoved',
        ]);
        // What is new comes after them.
        await transport.send(event('172.16.2.0/24'));
        expect(text((await next(again, 'frame')).frame.payload)).toContain('172.16.2.0/24');
      } finally {
        await second.close();
      }
    } finally {
      await transport.close();
      await first.close();
    }
    await expect(transport.send(event('172.16.1.0/24'))).rejects.toMatchObject({
      code: 'SNNET_HANDLE_CLOSED',
    });
  },
  2 * MINUTE_MS,
);
