import type { ComputeNode } from '../compute-node';
import { SILENT_LOGGER } from '../model';
import type { Logger } from '../model';
import { add } from './add';
import { check } from './check';
import { collectGarbage, del } from './del';
import { parseEnvironment } from './environment';
import type { CniCommand, CniEnvironment } from './environment';
import { CniFailure, toCniFailure } from './failure';
import type { CniRequest } from './frame';
import { parseHead, tellFailure } from './network-config';
import type { NetworkHead } from './network-config';
import { Setting } from './setting';
import type { OnTunnelEvent } from './setting';
import { CNI_VERSIONS, isSince } from './version';
import type { CniVersion } from './version';

/** What a command came to. */
export type CniOutcome =
  | { readonly kind: 'wants-address' }
  | {
      readonly kind: 'answer';
      readonly status: number;
      /** For standard output. */
      readonly text: string;
      /** Takes back what was done, where nobody hears of it. */
      readonly undo?: () => Promise<void>;
    };

/** One request; asked once more, with what the IPAM plugin gave, where it wants an address. */
export type CniHandler = (
  request: CniRequest,
  given: string | undefined,
  signal: AbortSignal,
) => Promise<CniOutcome>;

export interface CniPluginOptions {
  readonly onTunnelEvent: OnTunnelEvent;
  readonly logger?: Logger | undefined;
  /** The namespace that the node was opened in. Default: the process's own. */
  readonly netns?: string | undefined;
}

const SINCE: Partial<Record<CniCommand, CniVersion>> = {
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
};
const DONE: CniOutcome = Object.freeze({ kind: 'answer', status: 0, text: '' });

/** The commands of CNI on a compute node. Never rejects: a failure is an answer too. */
export class CniPlugin {
  readonly #setting: Setting;

  constructor(node: ComputeNode, options: CniPluginOptions) {
    const { onTunnelEvent, logger = SILENT_LOGGER, netns } = options;
    this.#setting = new Setting(node, { onTunnelEvent, logger, netns });
  }

  readonly handle: CniHandler = async (request, given, signal) => {
    try {
      const environment = parseEnvironment(request.environment);
      const head = parseHead(request.config);
      checkVersion(environment.command, head);
      return await this.#run({ environment, head }, given, signal);
    } catch (error) {
      return refusal(error, request);
    }
  };

  async #run(
    asked: { readonly environment: CniEnvironment; readonly head: NetworkHead },
    given: string | undefined,
    signal: AbortSignal,
  ): Promise<CniOutcome> {
    const { environment, head } = asked;
    switch (environment.command) {
      case 'ADD': {
        const outcome = await add(this.#setting, asked, given, signal);
        if (outcome.kind === 'wants-address') return outcome;
        const { text, undo } = outcome;
        return {
          kind: 'answer',
          status: 0,
          text: `${text}\n`,
          ...(undo !== undefined && { undo }),
        };
      }
      case 'DEL':
        await del(this.#setting, environment, head);
        return DONE;
      case 'CHECK':
        await check(this.#setting, environment, head);
        return DONE;
      case 'GC':
        await collectGarbage(this.#setting, head);
        return DONE;
      case 'STATUS':
        await checkStatus(this.#setting);
        return DONE;
      case 'VERSION': {
        const { cniVersion } = head;
        const text = JSON.stringify({ cniVersion, supportedVersions: CNI_VERSIONS });
        return { kind: 'answer', status: 0, text: `${text}\n` };
      }
    }
  }
}

/** A failure as an answer: what the runtime reads, in the version that it speaks. */
export function refusal(error: unknown, { config }: Pick<CniRequest, 'config'>): CniOutcome {
  const failure = toCniFailure(error);
  return { kind: 'answer', status: 1, text: `${tellFailure(failure, config)}\n` };
}

function checkVersion(command: CniCommand, { cniVersion }: NetworkHead): void {
  const since = SINCE[command];
  if (since === undefined || isSince(cniVersion, since)) return;
  throw new CniFailure('version', `version ${cniVersion} has no ${command}; it came with ${since}`);
}

/** Whether an ADD could be served: the kernel answers. */
async function checkStatus({ node }: Setting): Promise<void> {
  try {
    await node.audit();
  } catch (cause) {
    const { message, details } = toCniFailure(cause);
    throw new CniFailure('unavailable', message, { details, cause });
  }
}
