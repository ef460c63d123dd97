import type { Readable, Writable } from 'node:stream';

import { ComputeNode } from '../compute-node';
import type { Logger, NodeOptionsInput } from '../model';
import { Conversation } from './conversation';
import { CniPlugin, refusal } from './plugin';
import type { CniHandler, CniOutcome } from './plugin';
import { parseHead, parseOptionalObject } from './network-config';
import type { OnTunnelEvent } from './setting';

export interface CniExecOptions {
  readonly input: Readable;
  readonly output: Writable;
  /** What the network configuration's `node` does not say. */
  readonly node: Partial<NodeOptionsInput>;
  readonly onTunnelEvent: OnTunnelEvent;
  readonly logger: Logger;
}

/** Serves the one request that comes by `input` without a daemon: the node is opened for it. */
export async function executeCni(options: CniExecOptions): Promise<void> {
  const { input, output, onTunnelEvent, logger } = options;
  let node: ComputeNode | undefined;
  let netns: string | undefined;
  const handler: CniHandler = async (request, given, signal): Promise<CniOutcome> => {
    try {
      const said = parseOptionalObject(parseHead(request.config).fields['node'], 'node');
      const nodeOptions = { ...options.node, ...said } as NodeOptionsInput;
      node ??= await ComputeNode.open(nodeOptions);
      netns = nodeOptions.netns;
    } catch (error) {
      return refusal(error, request);
    }
    return await new CniPlugin(node, { onTunnelEvent, logger, netns }).handle(
      request,
      given,
      signal,
    );
  };
  const onError = (error: unknown): void => {
    logger.error('an ADD that nobody heard of could not be undone', { error });
  };
  await new Conversation({ input, output }, handler, { onError }).finished;
  await node?.settle();
  await node?.close();
}
