/** A service manager as systemd is one for services: it hears what they tell it (sd_notify(3)). */
import { patience, until } from './run';
import { Tool } from './tool';

// Prints each message with the number of the process that the kernel saw sending it.
const SCRIPT = `
import socket, struct, sys, signal
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
name = sys.argv[1]
s.bind('\\0' + name[1:] if name[0] == '@' else name)
print('ready', flush=True)
if sys.argv[2] == 'late': signal.sigwait([signal.SIGUSR1])
while True:
    data, more, flags, address = s.recvmsg(4096, 1024)
    pid = struct.unpack('iii', more[0][2])[0]
    print(pid, data.decode().replace('\\n', '|'), flush=True)`;

export class ServiceManager implements AsyncDisposable {
  readonly #tool: Tool;

  private constructor(tool: Tool) {
    this.#tool = tool;
  }

  /**
   * @param address - A path, or a name after an `@`: what `NOTIFY_SOCKET` is to be.
   * @param when - `late`: lets everything wait in the queue until {@link listen}.
   */
  static async start(address: string, when: 'now' | 'late' = 'now'): Promise<ServiceManager> {
    const argv = ['python3', '-c', SCRIPT, address, when];
    return new ServiceManager(await Tool.start(argv, { ready: /^ready$/m }));
  }

  listen(): void {
    process.kill(this.#tool.pid as number, 'SIGUSR1');
  }

  /** The messages, once there are so many of them; each after the number of its sender. */
  async heard(count: number): Promise<string[]> {
    const lines = (): string[] => this.#tool.stdout.split('\n').slice(1, -1);
    await until(() => lines().length >= count, 10_000 * patience);
    return lines();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tool.stop();
  }
}
