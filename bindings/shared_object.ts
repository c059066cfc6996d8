/**
 * What a shared library (ELF, 64 bits, little endian) asks of the machine that loads it: processor, libraries, and the
 * versions of their symbols. Layout: System V ABI, chapter 5, and the Linux Standard Base on symbol versions.
 */

/** What a library needs. */
export interface Needs {
  /** 'x64', 'arm64', or ELF's number in words. */
  readonly arch: string;
  /** File names: 'libc.so.6'. */
  readonly libraries: readonly string[];
  /** 'GLIBC_2.17', 'GLIBCXX_3.4.30', ...: each once, sorted by name and number. */
  readonly versions: readonly string[];
  /** 1 to 4 for x86-64-v1 to -v4, where the linker was told to note it (-z x86-64-v3); 0 where it was not. */
  readonly x86Level: number;
}

const MACHINES: Readonly<Record<number, string>> = { 62: 'x64', 183: 'arm64' };
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_GNU_PROPERTY = 0x6474e553;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_VERNEED = 0x6ffffffe;
const DT_VERNEEDNUM = 0x6fffffff;
const X86_ISA_1_NEEDED = 0xc0008002;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

/** Numbers by position; a position outside of the file is a RangeError of DataView. */
function reader(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    u16: (at: number) => view.getUint16(at, true),
    u32: (at: number) => view.getUint32(at, true),
    u64: (at: number) => Number(view.getBigUint64(at, true)),
    text: (at: number) => {
      const end = bytes.indexOf(0, at);
      if (at >= bytes.length || end < 0) throw new RangeError('a name outside of the file');
      return new TextDecoder().decode(bytes.subarray(at, end));
    },
  };
}
type Reader = ReturnType<typeof reader>;

function segmentsOf({ u16, u32, u64 }: Reader): Segment[] {
  const [start, size, count] = [u64(32), u16(54), u16(56)];
  return Array.from({ length: count }, (_, i) => {
    const at = start + i * size;
    return { type: u32(at), offset: u64(at + 8), address: u64(at + 16), size: u64(at + 32) };
  });
}

/** Tag and value of each entry of the dynamic section. */
function dynamicEntries({ u64 }: Reader, segment: Segment | undefined): [number, number][] {
  const entries: [number, number][] = [];
  if (segment === undefined) return entries;
  for (let at = segment.offset; at + 16 <= segment.offset + segment.size; at += 16) {
    const tag = u64(at);
    if (tag === 0) break;
    entries.push([tag, u64(at + 8)]);
  }
  return entries;
}

/** Highest bit of the levels that a GNU property note asks for. */
function x86Level({ u32 }: Reader, segment: Segment | undefined): number {
  if (segment === undefined) return 0;
  // header of the note: sizes of name and content, type; then 'GNU\0'
  for (let at = segment.offset + 16; at + 8 <= segment.offset + segment.size; ) {
    const [type, size] = [u32(at), u32(at + 4)];
    if (type === X86_ISA_1_NEEDED) return 32 - Math.clz32(u32(at + 8));
    at += 8 + Math.ceil(size / 8) * 8;
  }
  return 0;
}

/** Sorts 'GLIBC_2.17' behind 'GLIBC_2.2.5'. */
export const byVersion = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/**
 * Reads the needs of a shared library.
 *
 * @param bytes the whole file
 * @throws Error when it is no such library, or is cut off
 */
export function readNeeds(bytes: Uint8Array): Needs {
  const isElf = bytes.length > 64 && [0x7f, 0x45, 0x4c, 0x46, 2, 1].every((byte, i) => bytes[i] === byte);
  if (!isElf) throw new Error('it is no 64-bit library of Linux (ELF)');
  const read = reader(bytes);
  try {
    const segments = segmentsOf(read);
    const offsetOf = (address: number): number => {
      const held = segments.find((s) => s.type === PT_LOAD && address >= s.address && address < s.address + s.size);
      if (held === undefined) throw new RangeError('an address outside of the file');
      return address - held.address + held.offset;
    };
    const dynamic = dynamicEntries(
      read,
      segments.find(({ type }) => type === PT_DYNAMIC),
    );
    const value = (tag: number) => dynamic.find(([found]) => found === tag)?.[1];
    const strings = value(DT_STRTAB);
    const text = (at: number) => read.text(offsetOf(strings!) + at);
    const versions = new Set<string>();
    const first = value(DT_VERNEED);
    // one entry for each library (Elf64_Verneed), which leads to one for each version (Elf64_Vernaux)
    for (let i = 0, at = first === undefined ? 0 : offsetOf(first); i < (value(DT_VERNEEDNUM) ?? 0); i++) {
      for (let j = 0, of = at + read.u32(at + 8); j < read.u16(at + 2); j++) {
        versions.add(text(read.u32(of + 8)));
        of += read.u32(of + 12);
      }
      at += read.u32(at + 12);
    }
    const machine = read.u16(18);
    return {
      arch: MACHINES[machine] ?? `another processor (ELF machine ${machine})`,
      libraries: dynamic.filter(([tag]) => tag === DT_NEEDED).map(([, at]) => text(at)),
      versions: [...versions].sort(byVersion),
      x86Level: x86Level(
        read,
        segments.find(({ type }) => type === PT_GNU_PROPERTY),
      ),
    };
  } catch (error) {
    if (error instanceof RangeError) throw new Error(`the library is damaged or cut off (${error.message})`);
    throw error;
  }
}

/** The highest of the versions that begin with `name`: '2.27' of GLIBC; undefined where there is none. */
export function highestVersion(needs: Needs, name: string): string | undefined {
  return needs.versions
    .findLast((version) => version.startsWith(`${name}_`) && /_\d/.test(version))
    ?.slice(name.length + 1);
}
