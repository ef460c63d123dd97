/**
 * Shows it: `npm run demo [-- --mode vxlan]`, on a bare Debian or Ubuntu, as root or not. Installs and
 * compiles what is missing, then runs `snnet demo`. Plain node: there may be no dependencies yet.
 */
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';

const MAIN = new URL('../dist/cli/main.js', import.meta.url);

try {
  bootstrap('demo');
  // The command line as `snnet demo …` would have it; it runs in this process.
  process.argv.splice(1, 1, fileURLToPath(MAIN), 'demo');
  await import(MAIN);
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exitCode = 1;
}
