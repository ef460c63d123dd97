/**
 * All test files of a guest as one. An emulated processor takes some eight seconds to load jest's half
 * and the library, and jest does so anew for each file.
 */
declare const snnetTogether: readonly string[];

for (const file of snnetTogether) {
  describe(file.replace(/^.*\/test\//, ''), () => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- which there are is known at run time
    require(file);
  });
}
