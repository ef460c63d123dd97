import type { AgentReport, AgentRequestKind, TenantEvent } from './messages';

/** A request as it came. */
export interface AgentDelivery {
  readonly kind: AgentRequestKind;
  /** YAML. */
  readonly payload: string;
  /**
   * Its place among all requests to this agent, where the transport counts them: higher is later, and the same
   * when it comes a second time.
   */
  readonly sequence?: number;
  /**
   * Which count the sequence belongs to, so that one that began anew (a stream that was deleted and made
   * again) is told from one that goes on: `<stream>@<created>`. Only sequences of one count are compared.
   */
  readonly count?: string;
}

/** What a transport calls. Nothing of it throws. */
export interface TransportListener {
  /**
   * A connection is there, also one after another was lost: reports can be sent.
   *
   * @param peer - Whom it leads to, for the log.
   */
  connected(peer: string): void;
  disconnected(reason: Error): void;
  /**
   * Called in the order in which requests come, without waiting for the one before: the listener keeps the
   * order wherever it matters. `done` and `refused` are final, and to be acknowledged; what is refused goes
   * to the dead letters where there are some. A rejection means: deliver it again, later.
   */
  request(delivery: AgentDelivery): Promise<'done' | 'refused'>;
}

/** How requests reach an agent, and its reports the controllers. */
export interface AgentTransport {
  readonly name: 'ssntp' | 'nats';
  /**
   * Connects, and connects again whenever the connection is lost, until the signal is given; then lets go of
   * everything and resolves. Rejects where trying again would change nothing. Called once.
   */
  receive(listener: TransportListener, signal: AbortSignal): Promise<void>;
  /**
   * Resolves when the peer has taken it over, as far as it can be known. Rejects while there is no
   * connection: it is the caller's to keep it.
   *
   * @param messageId - The same for every attempt with the same report.
   */
  report(report: AgentReport, messageId: string): Promise<void>;
}

/** How a launcher reaches the concentrators. */
export interface LauncherTransport {
  readonly name: 'ssntp' | 'nats';
  /**
   * Resolves when the peer has taken it over, as far as it can be known. Rejects otherwise: it is the
   * caller's to try again.
   *
   * @param messageId - The same for every attempt with the same event.
   */
  send(event: TenantEvent, messageId: string): Promise<void>;
  close(): Promise<void>;
}
