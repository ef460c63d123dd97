/** The original's command line, and a configuration file, become ours. */
import { agentWords, configWords, fromGoFlags } from '#lib/cli/agent-words';

test.each([
  ['-server auto -v 3', '--server=auto --verbose'],
  ['--server=10.1.2.3 -cacert /a -cert=/b', '--server=10.1.2.3 --cacert=/a --cert=/b'],
  [
    '-compute-net 10.0.0.0/8 -mgmt-net 10.1.0.0/16',
    '--compute-net=10.0.0.0/8 --management-net=10.1.0.0/16',
  ],
  ['-network=false -ssh', '--network=false --ssh=true'],
  ['-ssh false -network', '--ssh=false --network=true'],
  ['--ssh --verbose', '--ssh=true --verbose'],
  ['-uuid 1f8b', '--id=1f8b'],
  ['-v 0 -logtostderr -log_dir /x -vmodule=a=1 -stderrthreshold 2', ''],
  ['--mode vxlan --tenant-id t', '--mode vxlan --tenant-id t'],
])('%s', (given, expected) => {
  expect(fromGoFlags(given.split(' ')).join(' ')).toBe(expected);
});

test('an empty value is none, as in the unit files of the original', () => {
  expect(fromGoFlags(['-server', '', '-uuid=', '-compute-net', ''])).toEqual([]);
});

test('a flag that lacks its value takes nothing that is not there', () => {
  expect(fromGoFlags(['-server'])).toEqual([]);
});

test('other commands keep their words', () => {
  const words = ['node', 'list', '-v', '--id', 'agent'];
  expect(agentWords(words)).toBe(words);
  expect(agentWords(['--json', 'agent', '-v', '1'])).toEqual(['--json', 'agent', '--verbose']);
  expect(agentWords([])).toEqual([]);
});

test('a configuration is options, and the words win', () => {
  const config = {
    server: 'a:1',
    computeNet: ['10.0.0.0/8', '172.16.0.0/12'],
    ssh: false,
    dhcp: false,
    verbose: true,
    allowVethUplink: false,
    timeoutMs: 9,
    cert: '/x',
  };
  expect(configWords(config, ['--cert=/y'])).toEqual([
    ...['--server=a:1', '--compute-net=10.0.0.0/8', '--compute-net=172.16.0.0/12', '--ssh=false'],
    ...['--no-dhcp', '--verbose', '--timeout-ms=9'],
  ]);
});

test.each([[null], [{}], [[['a']]]])(
  'a configuration value that is nothing to say: %j',
  (value) => {
    expect(() => configWords({ server: value }, [])).toThrow(/server: expected a text/);
  },
);
