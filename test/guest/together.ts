/**
 * All test files of a guest as one. An emulated processor takes some five seconds to load the library, and
 * jest loads it, and half of itself, anew for each file.
 */
declare const snnetTogether: readonly string[];

for (const file of snnetTogether) {
  describe(file.replace(/^.*\/test\//, ''), () => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- which there are is known at run time
    require(file);
  });
}
