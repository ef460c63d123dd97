/** What `/proc/<pid>/mountinfo` says (proc_pid_mountinfo(5)). */

export interface Mount {
  /** What of the file system is mounted: of a namespace its name, such as `net:[4026531840]`. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  /** Of the file system, not of the mount. */
  readonly options: readonly string[];
}

/** Reads the lines; what does not look like one is left out. */
export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    // A variable number of fields ends with a hyphen.
    const [head, tail] = line.split(' - ', 2);
    const [, , , root, point] = head?.split(' ') ?? [];
    const [type, , options = ''] = tail?.split(' ') ?? [];
    if (root === undefined || point === undefined || type === undefined) return [];
    return [{ root, point, type, options: options.split(',') }];
  });
}

/** The network namespaces that are mounted somewhere, by inode. */
export function namespacesMounted(mounts: readonly Mount[]): number[] {
  return mounts.flatMap(({ root, type }) => {
    const inode = type === 'nsfs' ? inodeIn(root, 'net') : undefined;
    return inode === undefined ? [] : [inode];
  });
}

/** The inode in a namespace's name. */
export function inodeIn(name: string, kind: 'net' | 'mnt' | 'pid'): number | undefined {
  const [, found, inode] = /^(\w+):\[(\d+)\]$/.exec(name) ?? [];
  return found === kind ? Number(inode) : undefined;
}

/** How much of others' processes a mount of `/proc` hides; nothing, where it hides nothing. */
export function hiddenProcesses(mounts: readonly Mount[]): string | undefined {
  const proc = mounts.filter(({ type, point }) => type === 'proc' && point === '/proc').at(-1);
  const option = proc?.options.find((text) => text.startsWith('hidepid='));
  return option === 'hidepid=0' || option === 'hidepid=off' ? undefined : option;
}
