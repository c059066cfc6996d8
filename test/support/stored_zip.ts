/** Writes a ZIP archive of stored or deflated entries byte by byte, so that tests can make it lie. */
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '@node-rs/crc32';

export interface ZipOptions {
  deflate?: boolean;
  /** Declared instead of the true size of every entry. */
  size?: number;
  /** Changed in the directory, entry by entry: [position in the 46-byte record, value as uint32]. */
  patch?: [at: number, value: number];
}

export function storedZip(entries: Record<string, Uint8Array | string>, options: ZipOptions = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(entries)) {
    const bytes = Buffer.from(content);
    const data = options.deflate ? deflateRawSync(bytes) : bytes;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(options.deflate ? 8 : 0, 10);
    central.writeUInt32LE(crc32(bytes), 16);
    central.writeUInt32LE(data.length, 20);
    central.writeUInt32LE(options.size ?? bytes.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(at, 42);
    if (options.patch) central.writeUInt32LE(options.patch[1], options.patch[0]);
    parts.push(local, Buffer.from(name), data);
    directory.push(central, Buffer.from(name));
    at += 30 + name.length + data.length;
  }
  const table = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(directory.length / 2, 10);
  end.writeUInt32LE(table.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, table, end]);
}
