/** Each fence of the C++, the formatter and clang-tidy are shown a file that they must refuse. */
import { GateTree } from './gate-tree';

const MINUTES_2 = 120_000;

const GOOD_HEADER = `#pragma once

namespace snnet::sys {

int Double(int value);

}  // namespace snnet::sys
`;
const GOOD_SOURCE = `#include "sys/good.h"

namespace snnet::sys {

int Double(int value) { return value * 2; }

}  // namespace snnet::sys
`;
const inNamespace = (text: string): string =>
  `namespace snnet::sys {\n\n${text}\n\n}  // namespace snnet::sys\n`;

const BAD_FOR_FENCES: Readonly<Record<string, readonly [file: string, text: string]>> = {
  'napi-fence': ['native/nl/speaks.h', '#pragma once\n\n#include <napi.h>\n'],
  'ring-order': ['native/sys/upwards.h', '#pragma once\n\n#include "nl/batch.h"\n'],
  'no-domain-words': ['native/sys/domain.h', '#pragma once\n\n// Of each tenant.\n'],
  'file-budget': ['native/sys/long.h', `#pragma once\n${'//\n'.repeat(400)}`],
  'no-leftovers': ['native/sys/left.h', '#pragma once\n\n// TODO: later\n'],
  'pragma-once': ['native/sys/twice.h', '// Nothing.\n'],
  'no-macros': ['native/sys/macro.h', '#pragma once\n\n#define TWO 2\n'],
  units: ['native/units/sys.cc', '#include "nl/batch.cc"\n#include "sys/good.cc"\n'],
  'no-programs': ['native/sys/shell.h', '#pragma once\n\n// system("true")\n'],
};

const BAD_FOR_TIDY: Readonly<Record<string, string>> = {
  'clang-diagnostic-error': inNamespace('int Broken() { return nothing; }'),
  'cppcoreguidelines-avoid-goto': inNamespace(
    'int Jump(int x) {\n  if (x > 0) goto end;\n  x = 1;\nend:\n  return x;\n}',
  ),
  'cppcoreguidelines-init-variables': inNamespace(
    'int Unset(bool b) {\n  int x;\n  if (b) x = 1;\n  return b ? x : 0;\n}',
  ),
  'cppcoreguidelines-no-malloc': `#include <cstdlib>\n\n${inNamespace('void* Make() { return malloc(1); }')}`,
  'cppcoreguidelines-owning-memory': inNamespace('void Drop(const int* x) { delete x; }'),
  'bugprone-use-after-move': `#include <string>\n#include <utility>\n\n${inNamespace(
    'size_t Moved(std::string a) {\n  const std::string b = std::move(a);\n  return a.size() + b.size();\n}',
  )}`,
  'modernize-use-nullptr': inNamespace('const int* Null() { return 0; }'),
  'readability-identifier-naming': inNamespace('class wrong_name {};'),
  'readability-function-size': inNamespace(
    `int Long(int x) {\n${'  x += 1;\n'.repeat(61)}  return x;\n}`,
  ),
};

const fileOf = (check: string): string => `native/sys/${check}.cc`;

describe('the gate of the C++', () => {
  let said = '';
  let status: number | null = 0;

  beforeAll(async () => {
    const bad = Object.entries(BAD_FOR_TIDY).map(([check, text]) => [fileOf(check), text] as const);
    using tree = new GateTree({
      ...Object.fromEntries(Object.values(BAD_FOR_FENCES)),
      ...Object.fromEntries(bad),
      'native/sys/unformatted.h': '#pragma once\n\nint   Spread( int x );\n',
      'native/sys/good.h': GOOD_HEADER,
      'native/sys/good.cc': GOOD_SOURCE,
      'native/napi/good.h': '#pragma once\n\n#include <napi.h>\n\n#include "exec/x.h"\n',
    });
    ({ status, stderr: said } = await tree.runGate('native.mjs'));
  }, MINUTES_2);

  test('fails as a whole when any file is bad', () => {
    expect(status).toBe(1);
  });

  test.each(Object.entries(BAD_FOR_FENCES))('%s refuses %s', (rule, [file]) => {
    expect(said).toContain(`${file}: ${rule}: `);
  });

  test('a unit leaves out nothing of its ring', () => {
    const left = `units: leaves out sys/${Object.keys(BAD_FOR_TIDY)[0] ?? ''}.cc`;
    expect(said).toContain(`native/units/sys.cc: ${left}`);
  });

  test.each(Object.keys(BAD_FOR_TIDY))('clang-tidy refuses a file that breaks %s', (check) => {
    const file = fileOf(check).replaceAll('.', '\\.');
    expect(said).toMatch(new RegExp(`${file}:\\d+:\\d+: error: .*\\[${check}[,\\]]`));
  });

  test('clang-format refuses another style', () => {
    expect(said).toMatch(/unformatted\.h:3:\d+: error: .*clang-format/);
  });

  test('has nothing to say about good files', () => {
    expect(said).not.toContain('/good.');
  });

  test(
    'passes a tree that has good files only',
    async () => {
      using tree = new GateTree({
        'native/sys/good.h': GOOD_HEADER,
        'native/sys/good.cc': GOOD_SOURCE,
        'native/units/sys.cc': '#include "sys/good.cc"\n',
      });
      expect(await tree.runGate('native.mjs')).toMatchObject({ status: 0, stderr: '' });
    },
    MINUTES_2,
  );
});
