/** Whatever is wished, the transaction does to the kernel's tables what the ledger says, and back. */
import * as fc from 'fast-check';

import { numberToAddress, parsePortMappings } from '#lib/model/index';
import type { FirewallAction, PortMapping, PublicIp } from '#lib/model/index';
import {
  Ledger,
  changeForwardings,
  changePorts,
  changePublicIps,
  fold,
  isSame,
  recognise,
  toTransaction,
  wholeTable,
} from '#lib/ruleset/index';
import type { Change } from '#lib/ruleset/index';
import { checkProperty } from '../../support/property';
import { KernelModel } from './kernel-model';

const DEVICES = ['eth0', 'eth1.5', 'en_x-0'];

const device = fc.constantFrom(...DEVICES);
const action = fc.constantFrom<FirewallAction>('enable', 'disable');
const address = fc.integer({ min: 0xac10_0102, max: 0xac10_0108 }).map(numberToAddress);

const mapping: fc.Arbitrary<PortMapping> = fc.record({
  protocol: fc.constantFrom('tcp' as const, 'udp' as const),
  externalDevice: device,
  externalPort: fc.constantFrom(1, 22, 80, 443, 65535),
  internalIp: address,
  internalPort: fc.constantFrom(22, 8080, 65535),
});
const forwarding = fc.record({
  externalDevice: device,
  internalDevice: fc.constantFrom('sbr_1', 'sbr_ffffffff', 'tun7'),
});
const publicIp: fc.Arbitrary<PublicIp> = fc.record({
  internalIp: address,
  publicIp: fc.integer({ min: 0xcb00_7164, max: 0xcb00_7168 }).map(numberToAddress),
  externalDevice: device,
});

const wish = fc.oneof(
  fc.tuple(fc.constant('ports' as const), action, fc.array(mapping, { maxLength: 6 })),
  fc.tuple(fc.constant('pairs' as const), action, fc.array(forwarding, { maxLength: 6 })),
  fc.tuple(fc.constant('public' as const), action, fc.array(publicIp, { maxLength: 4 })),
);
type Wish = typeof wish extends fc.Arbitrary<infer T> ? T : never;

function newLedger(): Ledger {
  const ledger = new Ledger({ guardInput: true, forwardedBefore: false });
  for (const name of DEVICES) ledger.external.add(name);
  ledger.inside.add('cncitun');
  return ledger;
}

function plan(ledger: Ledger, [type, action, list]: Wish): Change | undefined {
  try {
    if (type === 'ports') return changePorts(ledger, action, parsePortMappings(list, 'ports'));
    if (type === 'pairs') return changeForwardings(ledger, action, list);
    return changePublicIps(ledger, action, list);
  } catch {
    return undefined;
  }
}

function heldBy(kernel: KernelModel): unknown {
  const recognition = recognise(kernel.read());
  if (recognition.type !== 'ours') throw new Error(recognition.why);
  expect(recognition.isWhole).toBe(true);
  return recognition.ledger.toState();
}

test('a table is read back as it was written', async () => {
  await checkProperty(
    fc.property(fc.array(wish, { maxLength: 8 }), (wishes) => {
      const ledger = newLedger();
      for (const one of wishes) fold(ledger, plan(ledger, one)?.edits ?? []);
      const kernel = new KernelModel();
      kernel.run(wholeTable(ledger, 'shared'));
      expect(heldBy(kernel)).toEqual(ledger.toState());
    }),
  );
});

test('single changes lead to the same as the whole, each can be undone, and the second time is empty', async () => {
  await checkProperty(
    fc.property(fc.array(wish, { maxLength: 8 }), (wishes) => {
      const ledger = newLedger();
      const kernel = new KernelModel();
      kernel.run(wholeTable(ledger, 'shared'));
      for (const one of wishes) {
        const change = plan(ledger, one);
        if (change === undefined) continue;
        const { commands, before } = toTransaction(change.edits);
        const picture = heldBy(kernel);
        kernel.run(commands);
        kernel.run(before);
        expect(heldBy(kernel)).toEqual(picture);
        kernel.run(commands);
        fold(ledger, change.edits);
        expect(heldBy(kernel)).toEqual(ledger.toState());
        expect(plan(ledger, one)).toEqual({ edits: [], changed: 0, unchanged: one[2].length });
        expect(change.changed + change.unchanged).toBe(one[2].length);
      }
    }),
  );
});

test('two ledgers are the same where they say the same', async () => {
  await checkProperty(
    fc.property(fc.array(wish, { maxLength: 6 }), fc.array(wish, { maxLength: 2 }), (a, b) => {
      const one = newLedger();
      for (const wanted of a) fold(one, plan(one, wanted)?.edits ?? []);
      const other = one.copy();
      for (const wanted of b) fold(other, plan(other, wanted)?.edits ?? []);
      const isAlike = JSON.stringify(one.toState()) === JSON.stringify(other.toState());
      expect([isSame(one, other), isSame(other, one)]).toEqual([isAlike, isAlike]);
    }),
  );
});

test('after enabling, each wish stands; after disabling, none does', async () => {
  await checkProperty(
    fc.property(fc.array(mapping, { maxLength: 8 }), (list) => {
      const ledger = newLedger();
      const change = plan(ledger, ['ports', 'enable', list]);
      if (change === undefined) return;
      fold(ledger, change.edits);
      expect(ledger.toState().ports).toEqual(expect.arrayContaining(list));
      fold(ledger, plan(ledger, ['ports', 'disable', list])?.edits ?? []);
      expect(ledger.toState().ports).toEqual([]);
    }),
  );
});
