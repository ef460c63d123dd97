/**
 * The table of error codes: the one place that says what each code means, when it comes and what
 * an operator does about it. `docs/errors.md` is generated from it.
 */

/** One row of {@link ERROR_CODES}. */
export interface ErrorCodeRow {
  /** `APIError`: the call failed and nothing is left behind. `FatalError`: something must be repaired. */
  readonly class: 'APIError' | 'FatalError';
  /** What went wrong, as the beginning of a sentence without its full stop. */
  readonly summary: string;
  /** The circumstances in which it is thrown. */
  readonly when: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** Every code that an error of this package can carry. */
export const ERROR_CODES = {
  SNNET_INPUT_INVALID: {
    class: 'APIError',
    summary: 'A value that was passed in is not acceptable',
    when: 'A field has the wrong type, is out of range, or contradicts another field of the same input.',
    remedy: 'Correct the field that the error names; `value` holds what was passed.',
  },
  SNNET_INPUT_MISSING: {
    class: 'APIError',
    summary: 'A required value was not passed in',
    when: 'A required field is absent or undefined.',
    remedy: 'Supply the field that the error names.',
  },
  SNNET_INPUT_UNKNOWN: {
    class: 'APIError',
    summary: 'A field that was passed in is not known',
    when: 'An input holds a field that this operation does not have, most often a misspelt one.',
    remedy: 'Remove the field, or correct its name; names are case-sensitive.',
  },
  SNNET_ALIAS_TOO_LONG: {
    class: 'APIError',
    summary: 'The identity does not fit into a link alias',
    when: 'The ids of a VNIC, bridge or tunnel add up to more than the 255 bytes that a link alias can hold.',
    remedy: 'Use shorter ids; three UUIDs and two addresses fit with room to spare.',
  },
  SNNET_ALIAS_AMBIGUOUS: {
    class: 'APIError',
    summary: 'The ids would make a link alias that cannot be read back',
    when: 'An id contains an underscore, which separates the ids in a link alias.',
    remedy: 'Use ids without underscores, such as UUIDs.',
  },
  SNNET_KEY_RANGE: {
    class: 'APIError',
    summary: 'The subnet key does not fit the kind of tunnel',
    when: 'The key is larger than 16777215 and the tunnel is VXLAN or Geneve, whose network identifier has 24 bits.',
    remedy: 'Choose a subnet key below 16777216, or use GRE tunnels, whose key has 32 bits.',
  },
  SNNET_VNI_TAKEN: {
    class: 'APIError',
    summary: 'The VXLAN network identifier is in use by another subnet on this node',
    when: 'A VXLAN device with the same identifier and UDP port exists already; the kernel allows one per namespace.',
    remedy:
      'Give the subnet another key, or use GRE or Geneve tunnels, which tell tunnels apart by their far end too.',
  },
  SNNET_TUNNEL_TAKEN: {
    class: 'APIError',
    summary: 'Another tunnel has the same ends and the same key',
    when: 'A tunnel between the same two addresses with the same key exists already under another identity.',
    remedy:
      'Give the subnet another key, or remove the tunnel that the error names if nothing uses it.',
  },
  SNNET_VNIC_CONFLICT: {
    class: 'APIError',
    summary: 'The VNIC exists already with other properties',
    when: 'An input names a VNIC that exists, but contradicts its role, MAC address or key.',
    remedy: 'Pass the properties that it was created with, or destroy it first.',
  },
  SNNET_BRIDGE_FULL: {
    class: 'APIError',
    summary: 'The bridge has no port left',
    when: 'The kernel refuses another port on a subnet bridge; its limit is 1023.',
    remedy: 'Place further workloads of this subnet on another node.',
  },
  SNNET_NETWORK_NOT_FOUND: {
    class: 'APIError',
    summary: 'No physical link has an address in the networks asked for',
    when: 'None of the node’s addresses lies in the compute or management networks of the options.',
    remedy:
      'Compare the networks looked for with the addresses found, both in the error, and correct the options or the addresses.',
  },
  SNNET_NETWORK_AMBIGUOUS: {
    class: 'APIError',
    summary: 'The physical link cannot be chosen without a network',
    when: 'No compute or management networks were given, and not exactly one physical link has an IPv4 address.',
    remedy: 'Name the networks in the options `computeNets` and `managementNets`.',
  },
  SNNET_KIND_UNSUPPORTED: {
    class: 'APIError',
    summary: 'The kernel does not offer this kind of link',
    when: 'The kernel was built without the kind of tunnel or device asked for, or its module cannot be loaded.',
    remedy:
      'Load or install the module that the error names, or choose another mode; `auto` takes what the kernel has.',
  },
  SNNET_PRIVILEGE_MISSING: {
    class: 'APIError',
    summary: 'The process may not change the network',
    when: 'The process lacks CAP_NET_ADMIN in the network namespace, or CAP_SYS_ADMIN to enter it.',
    remedy: 'Run as root, or grant the capability that the error names.',
  },
  SNNET_NETNS_NOT_FOUND: {
    class: 'APIError',
    summary: 'The network namespace cannot be opened',
    when: 'The option `netns` names a file that does not exist or is no network namespace.',
    remedy:
      'Create the namespace first, or correct the path; a bare name is looked up in /run/netns.',
  },
  SNNET_HANDLE_CLOSED: {
    class: 'APIError',
    summary: 'The object has been closed',
    when: 'A method was called during or after close().',
    remedy: 'Open a new one; closing leaves everything in the kernel as it is.',
  },
  SNNET_CALL_ABORTED: {
    class: 'APIError',
    summary: 'The call was aborted by its caller',
    when: 'The AbortSignal of the call was triggered before the kernel was asked to change anything.',
    remedy: 'Nothing was left behind; call again if it is still wanted.',
  },
  SNNET_CALL_TIMEOUT: {
    class: 'APIError',
    summary: 'The call did not finish in time',
    when: 'The timeout of the call ran out while it was queued or waited for the kernel.',
    remedy:
      'Raise `timeoutMs`, lower the load, or look for what keeps the kernel busy; nothing was left behind.',
  },
  SNNET_KERNEL_FAILED: {
    class: 'APIError',
    summary: 'The kernel refused a step',
    when: 'The kernel answered a request with an error that has no more specific code; `cause` is its answer.',
    remedy:
      'Read the step and the kernel’s answer in the error; what was done before it has been undone.',
  },
  SNNET_LINK_FOREIGN: {
    class: 'APIError',
    summary: 'A link with this identity is not one of ours',
    when: 'A link carries one of our aliases, but is of the wrong kind, so somebody else made it.',
    remedy: 'Remove the alias or the link by hand; it is never touched by this package.',
  },
  SNNET_LINK_INCONSISTENT: {
    class: 'APIError',
    summary: 'What stands in the kernel does not fit together',
    when: 'A VNIC lacks its bridge, a bridge its tunnel, or a link is a port of the wrong bridge.',
    remedy: 'Run audit() to see every finding and repair() to put right what is safe.',
  },
  SNNET_DEVICE_NOT_FOUND: {
    class: 'APIError',
    summary: 'There is no such link, or it is not one of the external ones',
    when: 'A firewall was given a link that is not there, or a mapping names one that the firewall was not opened with.',
    remedy:
      'Compare the name with the links that the error lists; name every link to the outside in `externalDevices`.',
  },
  SNNET_FIREWALL_ABSENT: {
    class: 'APIError',
    summary: 'There is no firewall of ours in this namespace',
    when: 'No external device was named and no table of an earlier process names any, or shutdown() removed it.',
    remedy: 'Open a firewall, and name its external devices.',
  },
  SNNET_FIREWALL_CONFLICT: {
    class: 'APIError',
    summary: 'It contradicts what the firewall holds already',
    when: 'A port, a public address or a workload is mapped otherwise already, or a public address belongs to this machine or to a tenant.',
    remedy: 'Disable the mapping that the error names first, or choose another port or address.',
  },
  SNNET_FIREWALL_FOREIGN: {
    class: 'APIError',
    summary: 'Another program has a table of the firewall’s name',
    when: 'There is a table `inet libsnnet` that this package did not make, or one of a later version.',
    remedy:
      'Look at it with `nft list table inet libsnnet`, and rename or delete it by hand; it is never touched.',
  },
  SNNET_FIREWALL_HELD: {
    class: 'APIError',
    summary: 'Another process holds the firewall of this namespace',
    when: 'The kernel lets only the process that opened the firewall change it, and that one is alive.',
    remedy:
      'Ask that process, or end it: what it set up stays, and the next to open takes it over.',
  },
  SNNET_FIREWALL_READ_ONLY: {
    class: 'APIError',
    summary: 'The firewall was opened to be looked at',
    when: 'A method that changes something was called on a firewall opened with `readOnly`.',
    remedy: 'Open it without `readOnly`; only `state`, `dump`, `audit` and `plan` work with it.',
  },
  SNNET_NAME_TAKEN: {
    class: 'APIError',
    summary: 'An interface of that name is there already',
    when: 'The container’s namespace has an interface called `attach.ifname`, or another link is called `altName`.',
    remedy:
      'Choose another name, or remove what has it; `ip link show` in that namespace lists the names.',
  },
  SNNET_NAME_EXHAUSTED: {
    class: 'APIError',
    summary: 'No free link name was found',
    when: 'All the random names that were tried are taken.',
    remedy: 'Call again; if it stays so, look for leaked links with audit().',
  },
  SNNET_ROLLBACK_FAILED: {
    class: 'FatalError',
    summary: 'A failed call could not be undone completely',
    when: 'A step failed, and undoing the steps before it failed as well.',
    remedy:
      'Put no new workloads on this node; do what `repair` lists, then run dbRebuild() and audit().',
  },
  SNNET_DNSMASQ_MISSING: {
    class: 'APIError',
    summary: 'The program dnsmasq is not installed',
    when: 'DHCP is wanted for a subnet, and there is no dnsmasq in the PATH nor among the system’s programs.',
    remedy:
      'Install it (Debian, Ubuntu: `dnsmasq-base`; Fedora, Alpine: `dnsmasq`), then call again.',
  },
  SNNET_DHCP_OFF: {
    class: 'APIError',
    summary: 'This concentrator serves no addresses and names',
    when: 'Names or leases are asked for, and the concentrator was opened with `dhcp: false`.',
    remedy: 'Open it with `dhcp: {}`, or leave the option out.',
  },
  SNNET_DNSMASQ_FAILED: {
    class: 'APIError',
    summary: 'The DHCP and DNS server of a subnet does not run',
    when: 'The program dnsmasq refuses to start, does not end when told to, or died; `detail` holds its own words.',
    remedy:
      'Read what it says: most often another server holds port 53 or 67 on the gateway’s address, or the bridge has lost that address.',
  },
  SNNET_STATE_UNSAFE: {
    class: 'APIError',
    summary: 'The directory for state, or for a socket, cannot be used safely',
    when: 'The directory or a file in it is a symbolic link, of the wrong kind, or somebody else may change it or, where a socket is to be private, enter it; it cannot be made; or the account of the servers cannot get through to it.',
    remedy:
      'Look who made it; remove it, or choose another one, below a directory that only root can change and everybody may pass.',
  },
  SNNET_SERVICE_RUNNING: {
    class: 'APIError',
    summary: 'Another process serves at this socket',
    when: 'A service was to listen on a unix socket at which somebody answers.',
    remedy: 'Use that service, end it first, or choose another path.',
  },
  SNNET_LIVENESS_UNKNOWN: {
    class: 'APIError',
    summary: 'It is not known which workloads are alive',
    when: 'An audit asked, and whoever should know failed, took too long, or may not see all processes; nothing was judged.',
    remedy:
      'Read the cause; the next round asks again. To look at other users’ processes takes CAP_SYS_PTRACE, in the host’s PID namespace.',
  },
  SNNET_STORE_FAILED: {
    class: 'APIError',
    summary: 'The store cannot be opened, read or written',
    when: 'The embedded database of a plugin or an agent refuses: its disk is full or read-only, its file is damaged, or its program is not installed; `detail` holds its own words.',
    remedy:
      'Make room, or the directory writable, and call again; nothing of the refused change was kept.',
  },
  SNNET_ADDRESS_TAKEN: {
    class: 'APIError',
    summary: 'The port to listen on is not to be had',
    when: 'Another process listens on the port, or the address is not one of this machine.',
    remedy: 'End the other process, most often a second instance, or choose another port.',
  },
  SNNET_MESSAGE_UNREADABLE: {
    class: 'APIError',
    summary: 'The message of an agent or a launcher cannot be read',
    when: 'Its payload is no YAML, has too many bytes, or lacks the part that its kind must have.',
    remedy:
      'Look at the payload, and at who sent it; it is kept as it came where there are dead letters.',
  },
  SNNET_SSNTP_MALFORMED: {
    class: 'APIError',
    summary: 'What an SSNTP peer sent cannot be read',
    when: 'The bytes are no gob stream, or no frame of the protocol, or a frame that has no place there.',
    remedy: 'Look what runs at the other end; the connection has been closed.',
  },
  SNNET_SSNTP_TOO_LARGE: {
    class: 'APIError',
    summary: 'An SSNTP frame is too large',
    when: 'A frame, sent or received, has more bytes than `maxFrameBytes`.',
    remedy: 'Send less in one frame, or raise `maxFrameBytes` at both ends.',
  },
  SNNET_SSNTP_CERTIFICATE: {
    class: 'APIError',
    summary: 'The certificate of an SSNTP peer is not acceptable',
    when: 'The peer shows no certificate, or one that is expired, was issued by another authority, or is not for the name that was dialled.',
    remedy: 'Compare what `detail` says with the certificates at both ends, and issue a new one.',
  },
  SNNET_SSNTP_ROLE: {
    class: 'APIError',
    summary: 'An SSNTP peer claims a role that its certificate does not grant',
    when: 'The role in CONNECT or CONNECTED is not among the extended key usages of the peer’s certificate, or a server is no server.',
    remedy: 'Issue the peer a certificate with the role that it is to play.',
  },
  SNNET_SSNTP_REFUSED: {
    class: 'APIError',
    summary: 'The SSNTP server refused the connection',
    when: 'The server answered CONNECT with an error.',
    remedy: 'Read the server’s log; after ConnectionAborted, check the roles of the certificate.',
  },
  SNNET_SSNTP_UNREACHABLE: {
    class: 'APIError',
    summary: 'The SSNTP peer cannot be reached',
    when: 'A connection cannot be made, is closed by the peer, or breaks; or there is none at the moment to send on.',
    remedy: 'A client dials again by itself; send again once it has connected: nothing is kept.',
  },
  SNNET_SSNTP_STALLED: {
    class: 'APIError',
    summary: 'The SSNTP peer does not read or answer in time',
    when: 'A frame could not be handed over within `writeTimeoutMs`, too much waits to be sent, or the handshake took too long.',
    remedy: 'Look at the peer and the network between; the connection has been closed.',
  },
  SNNET_SSNTP_LISTEN: {
    class: 'APIError',
    summary: 'The SSNTP server cannot listen',
    when: 'The address is not one of this machine, or another program has the port; `cause` says which.',
    remedy: 'Choose another address or port, or end the program that has it.',
  },
  SNNET_NATS_UNREACHABLE: {
    class: 'APIError',
    summary: 'The NATS server cannot be reached',
    when: 'No server takes a connection, the connection breaks, or an answer does not come in time.',
    remedy:
      'Look at the servers and the network between; agents and outboxes go on trying by themselves.',
  },
  SNNET_NATS_REFUSED: {
    class: 'APIError',
    summary: 'The NATS server refuses',
    when: 'The server does not accept the credentials or the certificate, does not allow a subject, or has no room left in a stream; or its own certificate is not acceptable.',
    remedy:
      'Compare what `detail` says with the users, permissions and certificates of the server, and with the limits of its streams.',
  },
  SNNET_NATS_INCOMPLETE: {
    class: 'APIError',
    summary: 'Something that the transport over NATS needs is not there',
    when: 'JetStream is off, a stream or an agent’s consumer is not there or not as it must be, or the packages of the client are not installed.',
    remedy:
      'Make what `detail` names: setUpNats() does, and docs/nats.md has the commands; `npm install` brings the packages.',
  },
  SNNET_ADDON_MISSING: {
    class: 'APIError',
    summary: 'The native addon cannot be loaded',
    when: 'There is no prebuilt binary for this platform and none was built from source.',
    remedy: 'Install a compiler and the headers of libnl-3, then run `npm rebuild libsnnet`.',
  },
} as const satisfies Readonly<Record<string, ErrorCodeRow>>;

/** A machine-readable error code; stable across versions. */
export type ErrorCode = keyof typeof ERROR_CODES;

type CodeOfClass<C extends ErrorCodeRow['class']> = {
  [Code in ErrorCode]: (typeof ERROR_CODES)[Code]['class'] extends C ? Code : never;
}[ErrorCode];

/** The codes that an `APIError` can carry. */
export type APIErrorCode = CodeOfClass<'APIError'>;

/** The codes that a `FatalError` can carry. */
export type FatalErrorCode = CodeOfClass<'FatalError'>;

/** Says whether a value is one of our codes. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}
