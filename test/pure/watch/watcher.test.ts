import type { LinkEvent, LinkRow } from '#lib/kernel/index';
import { SILENT_LOGGER } from '#lib/model/index';
import { LinkIndex, Watcher } from '#lib/watch/index';
import type { WatchEvent } from '#lib/watch/index';

import { sleep, until } from '../../support/run';
import { row } from '../helpers/rows';

type Listener = (events: readonly LinkEvent[]) => void;

/** A kernel that shows what it is told to, when it is told to. */
class FakeKernel {
  rows: LinkRow[] = [];
  dumps = 0;
  onDump: () => Promise<void> = () => Promise.resolve();
  readonly listeners = { deletions: new Set<Listener>(), all: new Set<Listener>() };

  async links(): Promise<LinkRow[]> {
    const shown = [...this.rows];
    this.dumps += 1;
    await this.onDump();
    return shown;
  }

  watch(interest: 'deletions' | 'all', listener: Listener): Promise<() => Promise<void>> {
    this.listeners[interest].add(listener);
    return Promise.resolve(() => {
      this.listeners[interest].delete(listener);
      return Promise.resolve();
    });
  }

  tell(...events: readonly LinkEvent[]): void {
    for (const kind of [this.listeners.deletions, this.listeners.all]) {
      for (const listener of kind) listener(events);
    }
  }
}

async function watching() {
  const kernel = new FakeKernel();
  const links = new LinkIndex();
  const readAgain = jest.fn(() => Promise.resolve());
  const host = { kernel, anchor: { lose: () => undefined }, logger: SILENT_LOGGER };
  const healing = {
    findings: () => Promise.resolve([]),
    mend: () => Promise.resolve({ repaired: [], left: [] }),
    tenantOf: () => undefined,
  };
  const watcher = new Watcher(host, { links, readAgain, healing });
  await watcher.start();
  const events: WatchEvent[] = [];
  const feed = watcher.watch({ heal: false });
  void (async () => {
    for await (const event of feed) events.push(event);
  })();
  await until(() => kernel.listeners.all.size > 0, 1000);
  return { kernel, links, watcher, events, feed, readAgain };
}

const tap = row({ ifindex: 7, ifname: 'svn_7', alias: 'a', kind: 'tap', master: 5 });

function own(links: LinkIndex, ifindex = 7): void {
  const link = { ifIndex: ifindex, linkName: `svn_${ifindex}`, alias: 'a', mtu: 0, mac: '' };
  links.own(link, { scope: 's', masterOf: () => 5, forget: () => undefined });
}

test('what a notification shows is told only if the kernel still shows it', async () => {
  const { kernel, links, watcher, events } = await watching();
  own(links);
  kernel.rows = [tap];
  kernel.tell({ type: 'changed', link: { ...tap, alias: '', master: 0, isUp: false } });
  await sleep(50);
  expect(kernel.dumps).toBe(1);
  expect(events).toEqual([]);
  watcher.close();
});

test('what changes while the kernel is being read is read once more', async () => {
  const { kernel, links, watcher, events } = await watching();
  own(links);
  own(links, 8);
  const other = { ...tap, ifindex: 8, ifname: 'svn_8' };
  kernel.rows = [{ ...tap, isUp: false }, other];
  kernel.onDump = () => {
    kernel.onDump = () => Promise.resolve();
    kernel.rows = [
      { ...tap, isUp: false },
      { ...other, master: 0 },
    ];
    kernel.tell({ type: 'changed', link: { ...other, master: 0 } });
    return sleep(5);
  };
  kernel.tell({ type: 'changed', link: { ...tap, isUp: false } });
  await until(() => events.length === 2, 1000);
  expect(events).toMatchObject([
    { cause: 'down', link: { ifIndex: 7 } },
    { cause: 'detached', link: { ifIndex: 8 } },
  ]);
  watcher.close();
});

test('a drift is told once, and again after it was put right', async () => {
  const { kernel, links, watcher, events } = await watching();
  own(links);
  const change = async (link: LinkRow): Promise<void> => {
    kernel.rows = [link];
    kernel.tell({ type: 'changed', link });
    await sleep(40);
  };
  await change({ ...tap, isUp: false });
  await change({ ...tap, isUp: false });
  await change(tap);
  await change({ ...tap, isUp: false });
  expect(events).toHaveLength(2);
  watcher.close();
});

test('a drift that is put right and comes back before anybody has looked is told again', async () => {
  const { kernel, links, watcher, events } = await watching();
  own(links);
  const down = { ...tap, isUp: false };
  kernel.rows = [down];
  kernel.tell({ type: 'changed', link: down });
  await until(() => events.length === 1, 1000);
  kernel.tell({ type: 'changed', link: tap }, { type: 'changed', link: down });
  await until(() => events.length === 2, 1000);
  expect(events).toMatchObject([{ cause: 'down' }, { cause: 'down' }]);
  watcher.close();
});

test('what is put right while it is being read counts as put right', async () => {
  const { kernel, links, watcher, events } = await watching();
  own(links);
  const down = { ...tap, isUp: false };
  kernel.rows = [down];
  kernel.onDump = () => {
    kernel.onDump = () => Promise.resolve();
    kernel.rows = [tap];
    kernel.tell({ type: 'changed', link: tap });
    return sleep(5);
  };
  kernel.tell({ type: 'changed', link: down });
  await until(() => kernel.dumps === 2, 1000);
  await sleep(30);
  kernel.rows = [down];
  kernel.tell({ type: 'changed', link: down });
  await until(() => events.length === 2, 1000);
  expect(events).toMatchObject([{ cause: 'down' }, { cause: 'down' }]);
  watcher.close();
});

test('a stranger on a bridge of ours is told with its subnet, once; one of ours is none', async () => {
  const { kernel, links, watcher, events } = await watching();
  const link = { ifIndex: 5, linkName: 'sbr_5', alias: 'b', mtu: 0, mac: '' };
  const tenantId = 'alpha';
  links.own(link, { scope: 's', tenantId, masterOf: () => undefined, forget: () => undefined });
  const guest = row({ ifindex: 9, ifname: 'guest', alias: 'x', kind: 'veth', master: 5 });
  const twin = { ...guest, ifindex: 10, alias: 'vnic_t_s_c_192.0.2.9##172.16.0.2' };
  const making = { ...guest, ifindex: 11 };
  links.expect([{ ...link, ifIndex: 11 }]);
  kernel.rows = [guest, twin, making];
  for (let n = 0; n < 2; n += 1) {
    kernel.tell(...kernel.rows.map((changed) => ({ type: 'changed' as const, link: changed })));
    await sleep(50);
  }
  expect(events).toEqual([
    {
      type: 'drift',
      cause: 'foreign-port',
      link: { linkName: 'guest', ifIndex: 9, alias: 'x' },
      subnet: 's',
      tenantId,
    },
  ]);
  watcher.close();
});

test('what was lost is read again, and told when it is known', async () => {
  const { kernel, watcher, events, readAgain } = await watching();
  const finish: (() => void)[] = [];
  readAgain.mockImplementation(() => new Promise<void>((resolve) => finish.push(resolve)));
  kernel.tell({ type: 'resync' });
  expect([readAgain.mock.calls.length, events]).toEqual([1, []]);
  // What is lost while it reads may have happened after what it reads was true.
  kernel.tell({ type: 'resync' }, { type: 'resync' });
  expect(readAgain).toHaveBeenCalledTimes(1);
  finish[0]?.();
  await until(() => finish.length === 2, 1000);
  expect(events).toEqual([{ type: 'resync' }]);
  finish[1]?.();
  await until(() => events.length === 2, 1000);
  await sleep(1);
  expect([readAgain.mock.calls.length, events]).toEqual([
    2,
    [{ type: 'resync' }, { type: 'resync' }],
  ]);
  watcher.close();
});

test('it is told even where it could not be read', async () => {
  const { kernel, watcher, events, readAgain } = await watching();
  readAgain.mockImplementation(() => Promise.reject(new Error('no memory')));
  kernel.tell({ type: 'resync' });
  await until(() => events.length === 1, 1000);
  expect(events).toEqual([{ type: 'resync' }]);
  watcher.close();
});

test('without a reader only deletions are followed', async () => {
  const { kernel, feed, watcher } = await watching();
  await feed.return();
  await until(() => kernel.listeners.all.size === 0, 1000);
  expect([kernel.listeners.deletions.size, kernel.listeners.all.size]).toEqual([1, 0]);
  watcher.close();
});
