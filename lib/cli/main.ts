#!/usr/bin/env node
import { runCli } from './program';

// A reader that went away (`snnet topology | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void runCli(process.argv.slice(2)).then((status) => {
  // Not process.exit: what was written to a pipe must arrive.
  process.exitCode = status;
});
