/** What users do with the package: import it in every way there is, on every node it promises. */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { nodeBinary, Project, ROOT } from './packed';

const MINUTES_5 = 300_000;
/** Those that are promised, and whatever is the newest. */
const NODES = [20, 22, 24, 'latest'] as const;

/** Prints what was imported, and which addon the first use of it loaded. */
const REPORT = `
const { readFileSync } = await import('node:fs');
const report = { classes: [typeof ComputeNode.open, typeof APIError] };
try {
  await probe();
  const maps = readFileSync('/proc/self/maps', 'utf8');
  report.addon = /\\S*\\/node_modules\\/libsnnet\\/(\\S+\\.node)/.exec(maps)?.[1];
} catch (error) {
  report.code = error.code;
  report.text = error.message;
}
console.log(JSON.stringify(report));
`;
const PROGRAMS: Readonly<Record<string, string>> = {
  'required.cjs': `const { ComputeNode, APIError, probe } = require('libsnnet');
(async () => {${REPORT}})();
`,
  'imported.mjs': `import { ComputeNode, APIError, probe } from 'libsnnet';\n${REPORT}`,
};

/** Makes and removes VNICs in the namespace that it runs in. */
const WORKS = `const { Worker } = require('node:worker_threads');
const { readdirSync } = require('node:fs');
const config = (n) => ({ role: n === 0 ? 'vm' : 'container', tenantId: 't', subnetId: 's', concId: 'c',
  concIp: '198.51.100.9', vnicId: 'v' + n, vnicIp: '172.16.1.' + (n + 2), vnicMac: '02:00:00:00:00:0' + n,
  subnet: '172.16.1.0/24', subnetKey: 7 });
const options = { id: 'n', mode: 'vxlan', allowVethUplink: true };
(async () => {
  const { ComputeNode } = require('libsnnet');
  const node = await ComputeNode.open(options);
  const created = [];
  for (const n of [0, 1]) created.push((await node.createVnic(config(n))).created);
  const worker = new Worker(\`(async () => {
    const { ComputeNode } = require('libsnnet');
    const node = await ComputeNode.open(\${JSON.stringify(options)});
    require('node:worker_threads').parentPort.postMessage(node.topology().subnets.length);
    for (;;) await node.audit();
  })();\`, { eval: true });
  await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
  for (const n of [0, 1]) await node.destroyVnic(config(n));
  await node.settle();
  const known = /^(lo|eth|s[a-z]{2}_)/;
  const left = readdirSync('/proc/sys/net/ipv4/conf').filter((name) => known.test(name)).sort();
  await node.close();
  console.log(JSON.stringify({ created, left }));
})();
`;

const TYPED = `import { APIError, ComputeNode, probe } from 'libsnnet';
import type { NodeOptions, VnicConfig } from 'libsnnet';

export async function attach(options: NodeOptions, config: VnicConfig): Promise<string> {
  const capabilities = await probe();
  if (!capabilities.netAdmin) return capabilities.remarks.join();
  const node = await ComputeNode.open(options);
  try {
    const { vnic, created, event } = await node.createVnic(config, { timeoutMs: 100 });
    const name: string = vnic.linkName;
    const isNew: boolean = created;
    return [name, String(isNew), event?.kind].join();
  } catch (error) {
    if (error instanceof APIError) return error.code;
    throw error;
  } finally {
    await node.close();
  }
}

// @ts-expect-error: an id is a string.
void ComputeNode.open({ id: 1 });
`;

const STRICT = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
  target: 'es2022',
  lib: ['es2022'],
  types: ['node'],
};
const RESOLUTIONS: Readonly<Record<string, { options: object; file: string }>> = {
  'node16, as ESM': { options: { module: 'node16' }, file: 'typed.mts' },
  'node16, as CommonJS': { options: { module: 'node16' }, file: 'typed.cts' },
  bundler: {
    options: { module: 'esnext', moduleResolution: 'bundler', verbatimModuleSyntax: true },
    file: 'typed.ts',
  },
};

interface Report {
  readonly classes: readonly string[];
  readonly addon?: string;
  readonly code?: string;
  readonly text?: string;
}

describe('the packed package', () => {
  let project: Project;

  beforeAll(async () => {
    project = await Project.open();
    for (const [file, text] of Object.entries(PROGRAMS)) project.write(file, text);
    project.linkTypes();
  }, MINUTES_5);
  afterAll(() => {
    project[Symbol.dispose]();
  });

  async function runProgram(node: string, file: string): Promise<Report> {
    const { status, stdout, stderr } = await project.run([node, file]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return JSON.parse(stdout) as Report;
  }

  const matrix = NODES.flatMap((major) =>
    Object.keys(PROGRAMS).map((file) => [major, file] as const),
  );
  test.each(matrix)(
    'on node %s, %s gets the classes and the one prebuilt addon, without any install script',
    async (major, file) => {
      expect(await runProgram(await nodeBinary(major), file)).toEqual({
        classes: ['function', 'function'],
        addon: `prebuilds/linux-${process.arch}/libsnnet.glibc.node`,
      });
    },
    MINUTES_5,
  );

  test.each(NODES)(
    'on node %s, the same addon makes and removes VNICs, also in a worker that is terminated',
    async (major) => {
      project.write('works.cjs', WORKS);
      const node = await nodeBinary(major);
      const link =
        'ip link add eth0 type veth peer name eth1 && ip address add 198.51.100.1/24 dev eth0';
      const argv = ['unshare', '--net', 'sh', '-c', `${link} && ip link set eth0 up && exec "$@"`];
      const { status, stdout, stderr } = await project.run([...argv, 'sh', node, 'works.cjs']);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(JSON.parse(stdout)).toEqual({ created: [true, true], left: ['eth0', 'eth1', 'lo'] });
    },
    MINUTES_5,
  );

  test('the program for container runtimes is in it, and answers', async () => {
    const snnet = join(project.installed, 'dist', 'cli', 'main.js');
    const found = await project.run([process.execPath, snnet, 'cni', 'path']);
    expect(found).toMatchObject({ status: 0, stderr: '' });
    const front = found.stdout.trim();
    expect(front).toBe(join(project.installed, 'prebuilds', `linux-${process.arch}`, 'snnet-cni'));
    const { status, stdout } = await project.run(['env', 'CNI_COMMAND=VERSION', front]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ cniVersion: '1.1.0' });
  });

  test('without an addon it can be imported, and says what is missing when it is used', async () => {
    const prebuilds = join(project.installed, 'prebuilds');
    renameSync(prebuilds, `${prebuilds}.away`);
    try {
      const report = await runProgram(process.execPath, 'imported.mjs');
      expect(report).toMatchObject({
        classes: ['function', 'function'],
        code: 'SNNET_ADDON_MISSING',
      });
      expect(report.text).toContain('npm rebuild libsnnet');
    } finally {
      renameSync(`${prebuilds}.away`, prebuilds);
    }
  });

  test.each(Object.entries(RESOLUTIONS))(
    'a strict TypeScript project compiles against it: %s',
    async (title, { options, file }) => {
      project.write(file, TYPED);
      const config = { compilerOptions: { ...STRICT, ...options }, files: [file] };
      const path = project.write(`tsconfig.${String(title.length)}.json`, JSON.stringify(config));
      const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
      const { status, stdout } = await project.run([process.execPath, tsc, '-p', path]);
      expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    },
    MINUTES_5,
  );

  test('the command of the package starts', async () => {
    const { status, stdout } = await project.run(['node_modules/.bin/snnet', '--version']);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+/),
    });
  });

  test('only what the manifest exports can be imported', async () => {
    project.write('inside.cjs', "require('libsnnet/dist/kernel');\n");
    const { status, stderr } = await project.run([process.execPath, 'inside.cjs']);
    expect(status).toBe(1);
    expect(stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });
});

describe('the install script', () => {
  let project: Project;
  let script: string;

  beforeAll(async () => {
    project = await Project.open();
    script = join(project.installed, 'scripts', 'install.mjs');
  }, MINUTES_5);
  afterAll(() => {
    project[Symbol.dispose]();
  });

  test('has nothing to do and nothing to say where the prebuilt addon loads', async () => {
    const result = await project.run([process.execPath, script], { PATH: '/nowhere' });
    expect(result).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });

  test('refuses another system in one sentence', async () => {
    const other = project.write(
      'other.cjs',
      "Object.defineProperty(process, 'platform', { value: 'darwin' });\n",
    );
    const { status, stderr } = await project.run([process.execPath, '-r', other, script]);
    expect({ status, lines: stderr.trim().split('\n') }).toEqual({
      status: 1,
      lines: [`libsnnet: runs on Linux on x64 and arm64, and this is darwin on ${process.arch}`],
    });
  });

  describe('where no prebuilt addon fits', () => {
    beforeAll(() => {
      renameSync(join(project.installed, 'prebuilds'), join(project.installed, 'prebuilds.away'));
    });

    test('names all that a build lacks, with the packages of three systems', async () => {
      const empty = join(project.path, 'empty');
      mkdirSync(empty);
      const { status, stderr } = await project.run([process.execPath, script], { PATH: empty });
      expect(status).toBe(1);
      for (const what of [
        'python3',
        'make',
        'C++20 compiler',
        'pkg-config',
        'headers of libnl-3',
      ]) {
        expect(stderr).toContain(what);
      }
      expect(stderr).toContain('apt-get install python3 make g++ pkg-config libnl-3-dev');
      expect(stderr).toContain('dnf install python3 make gcc-c++ pkgconf-pkg-config libnl3-devel');
      expect(stderr).toContain('apk add python3 make g++ pkgconf libnl3-dev');
    });

    test(
      'compiles the addon from the sources in the package',
      async () => {
        const bin = join(ROOT, 'node_modules', '.bin');
        const path = `${bin}:${process.env['PATH'] ?? ''}`;
        // That it compiles is the question, not how fast it is then.
        const env = { PATH: path, JOBS: 'max', CXXFLAGS: '-O0', ...headers() };
        const { status, stderr } = await project.run([process.execPath, script], env);
        expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
        project.write('imported.mjs', PROGRAMS['imported.mjs'] ?? '');
        const { stdout } = await project.run([process.execPath, 'imported.mjs']);
        expect(JSON.parse(stdout)).toMatchObject({ addon: 'build/Release/snnet.node' });
      },
      MINUTES_5,
    );
  });
});

/** Headers that came with node spare node-gyp a download. */
function headers(): Record<string, string> {
  const prefix = join(process.execPath, '..', '..');
  return existsSync(join(prefix, 'include', 'node', 'node_api.h'))
    ? { npm_config_nodedir: prefix }
    : {};
}
