/** What holds for the C++ and no clang tool checks. Each rule gives messages for one file. */

/** A ring of native/ includes from the rings named here, and from itself. */
const RINGS = {
  sys: [],
  nl: ['sys'],
  rtnl: ['nl', 'sys'],
  nft: ['nl', 'sys'],
  exec: ['nft', 'rtnl', 'nl', 'sys'],
  napi: ['exec', 'nft', 'rtnl', 'nl', 'sys'],
  // A program of its own.
  cni: ['sys'],
};
/** Here each ring is one unit for the compiler. */
const UNITS = 'native/units/';
const MAX_LINES = 400;
/** Who may start a program: dnsmasq for the addon; an IPAM plugin, or our own command line, for `snnet-cni`. */
const STARTERS = ['native/sys/process.cc', 'native/cni/program.cc'];
const STARTS = /\b(system|popen|execv?[lpe]*|posix_spawnp?)\s*\(/g;

export const includesOf = (text) =>
  [...text.matchAll(/^\s*#\s*include\s+["<]([^">]+)[">]/gm)].map(([, path]) => path);

export const isUnit = (file) => file.startsWith(UNITS);
const ringOf = (file) => (isUnit(file) ? undefined : /^native\/([^/]+)\//.exec(file)?.[1]);

const RULES = {
  'napi-fence': ({ file, text }) => {
    if (file === 'native/addon.cc' || ringOf(file) === 'napi') return [];
    return includesOf(text)
      .filter((path) => /^(napi|node_api|js_native_api|node|uv|v8)\b.*\.h$/.test(path))
      .map((path) => `includes ${path}: only native/napi/ and native/addon.cc speak N-API`);
  },

  'ring-order': ({ file, text }) => {
    const ring = ringOf(file);
    if (ring === undefined) return [];
    if (!(ring in RINGS)) return [`native/${ring}/ has no place in the rings of native-fences.mjs`];
    return includesOf(text)
      .filter((path) => path.split('/')[0] in RINGS)
      .filter((path) => ![ring, ...RINGS[ring]].includes(path.split('/')[0]))
      .map((path) => `includes ${path}: ${ring}/ stands on ${RINGS[ring].join(', ') || 'nothing'}`);
  },

  'no-domain-words': ({ text }) =>
    (text.match(/\b(tenant|subnet|cnci|concentrator|vnic)\w*/gi) ?? []).map(
      (word) => `says "${word}": the addon knows links and rules, not what they are for`,
    ),

  'file-budget': ({ text }) => {
    const lines = text.split('\n').length - 1;
    return lines > MAX_LINES ? [`${String(lines)} lines, more than ${String(MAX_LINES)}`] : [];
  },

  'no-leftovers': ({ text }) =>
    (text.match(/\b(TODO|FIXME|XXX)\b/g) ?? []).map((word) => `leaves a ${word} behind`),

  'pragma-once': ({ file, text }) =>
    file.endsWith('.h') && !/^#pragma once$/m.test(text) ? ['has no #pragma once'] : [],

  'no-macros': ({ file, text }) => {
    // Constants that old kernel headers lack are the one thing that needs the preprocessor.
    if (file === 'native/sys/uapi_compat.h') return [];
    return (text.match(/^\s*#\s*define\s+\w+/gm) ?? []).map((line) => `${line.trim()}: no macros`);
  },

  'no-programs': ({ file, text }) => {
    // That it is dnsmasq alone which goes through the addon's door is decided in lib/dhcp.
    const starts = STARTERS.includes(file) ? /\b(system|popen)\s*\(/g : STARTS;
    return (text.match(starts) ?? []).map(
      (call) => `calls ${call}): only ${STARTERS.join(' and ')} start a program`,
    );
  },
};

/** A file that its ring's unit leaves out is not compiled; one that is not there, or another ring's, is a slip. */
function checkUnits(sources) {
  const rings = new Set(sources.map(({ file }) => ringOf(file)).filter(Boolean));
  return [...rings].flatMap((ring) => {
    const files = sources.map(({ file }) => file).filter((file) => ringOf(file) === ring);
    const wanted = files.filter((file) => file.endsWith('.cc')).map((file) => file.slice(7));
    const unit = `${UNITS}${ring}.cc`;
    const listed = includesOf(sources.find(({ file }) => file === unit)?.text ?? '');
    const lacks = wanted.filter((path) => !listed.includes(path));
    const strange = listed.filter((path) => !wanted.includes(path));
    return [
      ...lacks.map((path) => `${unit}: units: leaves out ${path}`),
      ...strange.map((path) => `${unit}: units: ${path} is no file of ${ring}/`),
    ];
  });
}

/** Messages of the shape `file: rule: what`. */
export function checkFences(sources) {
  const alone = sources.flatMap((source) =>
    Object.entries(RULES).flatMap(([rule, check]) =>
      check(source).map((what) => `${source.file}: ${rule}: ${what}`),
    ),
  );
  return [...alone, ...checkUnits(sources)];
}
