/** Runs in every test file before its tests. */
import { deferLeaks, settleSandboxes } from './sandbox';

deferLeaks();
afterEach(settleSandboxes);
