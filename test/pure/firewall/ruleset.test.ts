import { isLibsnnetError } from '#lib/errors/index';
import {
  Ledger,
  changeForwardings,
  changePorts,
  changePublicIps,
  fold,
  formatState,
  recognise,
  toTransaction,
  wholeTable,
} from '#lib/ruleset/index';
import { arrivalOf, portsOf } from '#lib/ruleset/names';
import { parseForwardings, parsePortMappings, parsePublicIps } from '#lib/model/index';
import { refusalOf } from '../helpers/refusal';
import { KernelModel } from './kernel-model';

function newLedger(...external: string[]): Ledger {
  const ledger = new Ledger({ guardInput: true, forwardedBefore: true });
  for (const name of external) ledger.external.add(name);
  return ledger;
}

function ports(...targets: readonly [number, string][]) {
  return parsePortMappings(
    targets.map(([externalPort, target]) => {
      const [internalIp, port] = target.split(':');
      const internalPort = Number(port);
      return { protocol: 'tcp', externalDevice: 'eth0', externalPort, internalIp, internalPort };
    }),
    'extPortAccess',
  );
}

function addresses(...rows: readonly [string, string][]) {
  return parsePublicIps(
    rows.map(([publicIp, internalIp]) => ({ publicIp, internalIp, externalDevice: 'eth0' })),
    'publicIpAccess',
  );
}

describe('the table', () => {
  it('is one transaction whose rules find every set and chain that they name', () => {
    const kernel = new KernelModel();
    kernel.run(wholeTable(newLedger('eth0', 'eth1'), 'owned'));
    const hooks = kernel.read().chains.flatMap(({ base }) => (base ? [base.hook] : []));
    expect(hooks.sort()).toEqual(['forward', 'input', 'postrouting', 'postrouting', 'prerouting']);
  });

  it('never has a comment that the kernel would refuse', () => {
    const ledger = newLedger('a-name-15-bytes');
    for (const command of wholeTable(ledger, 'shared')) {
      if (command.op === 'rule.add') expect(command.comment?.length).toBeLessThan(64);
    }
  });

  it('leaves input alone where that is wanted', () => {
    const ledger = newLedger('eth0');
    ledger.options = { guardInput: false, forwardedBefore: false };
    const kernel = new KernelModel();
    kernel.run(wholeTable(ledger, 'shared'));
    expect(kernel.read().chains.map(({ chain }) => chain)).not.toContain('input');
    const read = recognise(kernel.read());
    expect(read.type === 'ours' && read.ledger.options).toEqual(ledger.options);
  });

  it('names chains after any link in letters that nft can read back', () => {
    expect(portsOf('eth0.5')).toBe('ports_eth0.5');
    expect(arrivalOf('a_b')).toBe('arrive_a_5fb');
    expect(portsOf('ö"')).toBe('ports__c3_b6_22');
  });
});

describe('recognition', () => {
  const kernel = new KernelModel();
  kernel.run(wholeTable(newLedger('eth0'), 'shared'));
  const whole = kernel.read();

  it('knows our own', () => {
    expect(recognise(whole)).toMatchObject({ type: 'ours', isWhole: true });
  });

  it('does not take another program’s table for ours', () => {
    const empty = { chains: [], rules: [], sets: [] };
    expect(recognise(empty)).toMatchObject({ type: 'foreign' });
    const saying = (comment: string) => ({
      ...whole,
      rules: whole.rules.map((rule) => (rule.chain === 'about' ? { ...rule, comment } : rule)),
    });
    expect(recognise(saying('ours'))).toMatchObject({ type: 'foreign' });
    const later = saying('libsnnet firewall 2');
    expect(recognise(later)).toEqual({ type: 'foreign', why: 'it says libsnnet firewall 2' });
  });

  it.each(['arrivals', 'published'])('sees that an element of %s is missing', (name) => {
    const ledger = newLedger('eth0');
    const rows = addresses(['203.0.113.9', '172.16.1.2']);
    fold(ledger, changePublicIps(ledger, 'enable', rows).edits);
    const model = new KernelModel();
    model.run(wholeTable(ledger, 'shared'));
    const reading = model.read();
    expect(recognise(reading)).toMatchObject({ isWhole: true });
    const sets = reading.sets.map((set) =>
      set.set === name ? { ...set, packed: new Uint8Array() } : set,
    );
    expect(recognise({ ...reading, sets })).toMatchObject({ type: 'ours', isWhole: false });
  });

  it('sees that a rule, a chain or a set is missing', () => {
    const without = [
      { ...whole, sets: whole.sets.slice(1) },
      { ...whole, chains: whole.chains.filter(({ chain }) => chain !== 'forward') },
      { ...whole, rules: whole.rules.filter(({ comment }) => comment !== 'closed') },
    ];
    for (const reading of without) {
      expect(recognise(reading)).toMatchObject({ type: 'ours', isWhole: false });
    }
  });
});

describe('contradictions', () => {
  it('a port leads to one workload; the refusal names both', () => {
    const ledger = newLedger('eth0');
    fold(ledger, changePorts(ledger, 'enable', ports([80, '172.16.1.2:80'])).edits);
    const error = refusalOf(() => changePorts(ledger, 'enable', ports([80, '172.16.1.3:80'])));
    expect(error.code).toBe('SNNET_FIREWALL_CONFLICT');
    expect(error.message).toContain('172.16.1.2:80');
    expect(error.message).toContain('172.16.1.3:80');
  });

  it('also within one list', () => {
    const list = ports([80, '172.16.1.2:80'], [80, '172.16.1.3:80']);
    const error = refusalOf(() => changePorts(newLedger('eth0'), 'enable', list));
    expect(error.code).toBe('SNNET_FIREWALL_CONFLICT');
  });

  it('disabling another target than the present one changes nothing', () => {
    const ledger = newLedger('eth0');
    fold(ledger, changePorts(ledger, 'enable', ports([80, '172.16.1.2:80'])).edits);
    const change = changePorts(ledger, 'disable', ports([80, '172.16.1.3:80']));
    expect(change).toEqual({ edits: [], changed: 0, unchanged: 1 });
  });

  it('a device must be one of the external ones, and a tenant’s must not', () => {
    const ledger = newLedger('eth1');
    const error = refusalOf(() => changePorts(ledger, 'enable', ports([80, '172.16.1.2:80'])));
    expect(error).toMatchObject({ code: 'SNNET_DEVICE_NOT_FOUND', value: 'eth0' });
    expect(error.message).toContain('eth1');
    const pair = { externalDevice: 'eth1', internalDevice: 'eth1' };
    expect(refusalOf(() => changeForwardings(ledger, 'enable', [pair])).code).toBe(
      'SNNET_FIREWALL_CONFLICT',
    );
    expect(changePorts(ledger, 'disable', ports([80, '172.16.1.2:80'])).changed).toBe(0);
  });

  it.each([
    ['an address is one workload’s', [['203.0.113.9', '172.16.1.3']]],
    ['a workload has one address', [['203.0.113.8', '172.16.1.2']]],
    ['an address of a tenant is no public one', [['172.16.2.200', '172.16.1.7']]],
    [
      'also within one list: address',
      [
        ['203.0.113.1', '172.16.1.5'],
        ['203.0.113.1', '172.16.1.6'],
      ],
    ],
    [
      'also within one list: workload',
      [
        ['203.0.113.1', '172.16.1.5'],
        ['203.0.113.2', '172.16.1.5'],
      ],
    ],
  ] as [string, [string, string][]][])('%s', (_title, rows) => {
    const ledger = newLedger('eth0');
    fold(ledger, changePublicIps(ledger, 'enable', addresses(['203.0.113.9', '172.16.1.2'])).edits);
    const networks = [{ device: 'sbr_1', network: '172.16.2.0/24' as never }];
    const error = refusalOf(() => changePublicIps(ledger, 'enable', addresses(...rows), networks));
    expect(error.code).toBe('SNNET_FIREWALL_CONFLICT');
    expect(error.message).toContain(rows.at(-1)![0]);
    expect(isLibsnnetError(error)).toBe(true);
  });
});

describe('single changes', () => {
  it('of one mapping are one element, however many there are', () => {
    const ledger = newLedger('eth0');
    const many = ports(
      ...Array.from({ length: 60_000 }, (_, n): [number, string] => [n + 1, '172.16.1.2:80']),
    );
    fold(ledger, changePorts(ledger, 'enable', many).edits);
    expect(ledger.portCount).toBe(60_000);
    const change = changePorts(ledger, 'enable', ports([60_001, '172.16.1.2:80']));
    const { commands } = toTransaction(change.edits);
    expect(commands).toHaveLength(1);
    expect(commands[0]).toMatchObject({ op: 'elements.add', set: 'ports_eth0', keyBytes: 8 });
  });

  it('a link that is no bridge of ours stays inside when its pair goes', () => {
    const ledger = newLedger('eth0');
    const pair = parseForwardings({ externalDevice: 'eth0', internalDevice: 'tun7' }, 'op');
    fold(ledger, changeForwardings(ledger, 'enable', pair).edits);
    fold(ledger, changeForwardings(ledger, 'disable', pair).edits);
    expect(ledger.toState()).toMatchObject({ internalDevices: ['tun7'], forwardings: [] });
  });

  it('are told in one line each', () => {
    const ledger = newLedger('eth0');
    const pair = parseForwardings({ externalDevice: 'eth0', internalDevice: 'sbr_1' }, 'op');
    fold(ledger, changeForwardings(ledger, 'enable', pair).edits);
    fold(ledger, changePorts(ledger, 'enable', ports([80, '172.16.1.2:8080'])).edits);
    fold(ledger, changePublicIps(ledger, 'enable', addresses(['203.0.113.9', '172.16.1.2'])).edits);
    expect(formatState(ledger.toState()).split('\n')).toEqual([
      'table inet libsnnet',
      'outside eth0: masquerade',
      'forward sbr_1 -> eth0',
      'port eth0 tcp 80 -> 172.16.1.2:8080',
      'public 203.0.113.9 on eth0 <-> 172.16.1.2',
    ]);
  });
});
