/**
 * System calls that fail, from outside the library: interrupted ones, and answers and notifications that
 * the socket's buffer had no room for. What was asked is done in the end, or refused with an error of
 * ours; nothing is left.
 */
import { ipLinks } from '../support/oracle';
import { needs } from '../support/reasons';
import { run } from '../support/run';
import { Sandbox } from '../support/sandbox';
import { Stage } from './operations/index';

const CALLS = 'sendmsg,sendto,recvfrom';
/** Counted by each thread for itself: the first are those of opening, which never succeeds then. */
const LOST = [2, 5, 8, 9, 10, 11, 12, 14, 16];
const PATIENCE_MS = 300_000;

/** Makes a VNIC and destroys it, again and again until it works; says which errors there were. */
const WORK = `
  const { openComputeNode } = require('./dist/compute-node');
  const { vnic } = require('./dist-test/test/reliability/operations/compute-node');
  const errors = [];
  const insist = async (work) => {
    for (let tries = 0; tries < 20; tries += 1) {
      try { return await work(); } catch (error) { errors.push(error); }
    }
    throw errors.at(-1);
  };
  const tell = (findings) =>
    console.log(JSON.stringify({ findings, errors: errors.map(({ name, cause }) => name + ' ' + cause?.name) }));
  (async () => {
    const options = { id: 'node', mode: 'vxlan', computeNets: ['198.51.100.0/24'] };
    const netns = process.argv[1];
    const more = { netns, allowVethUplink: true, timeoutMs: 60000 };
    const open = () => openComputeNode({ ...options, ...more }, {});
    const node = await insist(open).catch(() => undefined);
    if (node === undefined) return tell([]);
    for (let round = 0; round < 3; round += 1) {
      await insist(() => node.createVnic(vnic(round)));
      await insist(() => node.destroyVnic(vnic(round)));
    }
    await insist(() => node.settle());
    const { findings } = await insist(() => node.audit());
    await node.close();
    tell(findings);
  })();`;

async function runWith(
  box: Sandbox,
  injection: string,
): Promise<{ readonly said: unknown; readonly left: readonly string[] }> {
  using stage = await Stage.open(box);
  const { node } = stage.scene;
  const strace = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${CALLS}`];
  const argv = [...strace, '-e', `inject=${injection}`, process.execPath, '-e', WORK, '--', node];
  const { stdout, stderr } = await run(argv, { timeoutMs: PATIENCE_MS, check: false });
  const links = await ipLinks({ name: node.split('/').at(-1) ?? '', path: node });
  const left = links
    .map(({ ifname }) => ifname)
    .filter((ifname) => /^s(br|gt|vn|vp)_/.test(ifname));
  return { said: stdout === '' ? stderr : (JSON.parse(stdout) as unknown), left };
}

needs('strace', 'vxlan', 'tap')(
  'calls that are interrupted are made again, and nobody notices',
  async () => {
    await using box = await Sandbox.open();
    const { said, left } = await runWith(box, `${CALLS}:error=EINTR:when=1+2`);
    expect({ said, left }).toEqual({ said: { findings: [], errors: [] }, left: [] });
  },
  PATIENCE_MS,
);

needs('strace', 'vxlan', 'tap')(
  'answers and notifications that are lost lead to errors of ours, and to nothing that stays',
  async () => {
    await using box = await Sandbox.open();
    for (const number of LOST) {
      const { said, left } = await runWith(box, `recvfrom:error=ENOBUFS:when=${number}`);
      const { errors } = said as { errors: readonly string[] };
      expect({ number, said, left }).toMatchObject({ number, said: { findings: [] }, left: [] });
      expect(errors.filter((error) => error !== 'APIError ENOBUFS')).toEqual([]);
    }
  },
  PATIENCE_MS,
);
