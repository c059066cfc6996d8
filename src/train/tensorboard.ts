/**
 * TensorBoard event files: TFRecords (uint64 length, masked crc32c of it, data, masked crc32c of the data) of Event
 * protobufs. Field numbers from tensorflow/tsl: event.proto, summary.proto, tensor.proto. Scalars and images are written
 * as PyTorch's SummaryWriter does (simple_value, Image), because every reader lists these and drops them after a restart.
 */
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { crc32c } from '@node-rs/crc32';
import { writeError } from '../base/files.js';
import { makeFolder } from '../base/folders.js';

/** Records wait until this many bytes are there, or flush() is called. */
const BUFFER_BYTES = 1 << 16;

// ---- protobuf ----

type Fill = (w: BinaryWriter) => void;

function message(fill: Fill): Uint8Array {
  const w = new BinaryWriter();
  fill(w);
  return w.finish();
}

const bytesField = (w: BinaryWriter, field: number, value: Uint8Array) =>
  w.tag(field, WireType.LengthDelimited).bytes(value);
const stringField = (w: BinaryWriter, field: number, value: string) =>
  w.tag(field, WireType.LengthDelimited).string(value);
const intField = (w: BinaryWriter, field: number, value: number) => w.tag(field, WireType.Varint).int32(value);

/** Image { height = 1, width = 2, colorspace = 3, encoded_image_string = 4 }; colorspace 3 = RGB, 4 = RGBA. */
function imageMessage(png: Uint8Array, width: number, height: number): Uint8Array {
  return message((w) => {
    intField(w, 1, height);
    intField(w, 2, width);
    intField(w, 3, png[25] === 6 ? 4 : 3); // byte 25 of a PNG: colour type, 6 = RGBA
    bytesField(w, 4, png);
  });
}

/** TensorProto { dtype = 1: DT_STRING = 7, string_val = 8 }, a scalar. */
function stringTensor(text: string): Uint8Array {
  return message((w) => {
    intField(w, 1, 7);
    stringField(w, 8, text);
  });
}

/** SummaryMetadata { plugin_data = 1 { plugin_name = 1, content = 2 }, data_class = 4: DATA_CLASS_TENSOR = 2 }. */
function pluginMetadata(name: string, content?: Uint8Array): Uint8Array {
  return message((w) => {
    bytesField(
      w,
      1,
      message((p) => {
        stringField(p, 1, name);
        if (content) bytesField(p, 2, content);
      }),
    );
    intField(w, 4, 2);
  });
}

/** TensorProto { dtype = 1: DT_FLOAT = 1, tensor_shape = 2 { dim = 2 { size = 1 } }, float_val = 5 }: [0], as hparams needs. */
const NO_TENSOR = message((w) => {
  intField(w, 1, 1);
  bytesField(
    w,
    2,
    message((s) =>
      bytesField(
        s,
        2,
        message((d) => intField(d, 1, 1)),
      ),
    ),
  );
  w.tag(5, WireType.Bit32).float(0);
});

export type Hyperparameter = number | string | boolean;

/** google.protobuf.Value { number_value = 2, string_value = 3, bool_value = 4 }. */
const valueMessage = (value: Hyperparameter) =>
  message((w) => {
    if (typeof value === 'number') w.tag(2, WireType.Bit64).double(value);
    else if (typeof value === 'boolean') w.tag(4, WireType.Varint).bool(value);
    else stringField(w, 3, value);
  });

/** Event { wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7 }. */
function event(step: number, content: Fill): Uint8Array {
  return message((w) => {
    w.tag(1, WireType.Bit64).double(Date.now() / 1000);
    w.tag(2, WireType.Varint).int64(step);
    content(w);
  });
}

// ---- records ----

function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return ((((crc >>> 15) | (crc << 17)) >>> 0) + 0xa282ead8) >>> 0;
}

function record(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(data.length + 16);
  const view = new DataView(out.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(out.subarray(0, 8)), true);
  out.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return out;
}

/** TensorBoard reads a folder's files in the order of their names: a new one needs a later time than all before. */
function nextFileName(folder: string): string {
  const times = readdirSync(folder).map((name) => Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? 0));
  const time = Math.max(Math.floor(Date.now() / 1000), Math.max(0, ...times) + 1);
  return `events.out.tfevents.${time}.${hostname()}.${process.pid}`;
}

/** Writes one event file into a run's folder. Values given after the last flush() are lost when the process is killed. */
export class TensorBoardWriter {
  readonly path: string;
  readonly #fd: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  /** `resumeStep`: the step from which a run goes on; TensorBoard then drops what earlier files hold beyond it. */
  constructor(folder: string, options: { resumeStep?: number } = {}) {
    makeFolder(folder);
    this.path = join(folder, nextFileName(folder));
    try {
      this.#fd = openSync(this.path, 'wx');
    } catch (error) {
      throw writeError(error, this.path, 0);
    }
    this.#add(event(0, (w) => stringField(w, 3, 'brain.Event:2')));
    // SessionLog { status = 1: START = 1 }: readers drop steps >= this event's step, but for the first START of a folder
    const start = message((w) => intField(w, 1, 1));
    this.#add(event(options.resumeStep === undefined ? 0 : options.resumeStep + 1, (w) => bytesField(w, 7, start)));
    this.flush();
  }

  scalar(tag: string, value: number, step: number): void {
    this.#value(tag, step, (w) => w.tag(2, WireType.Bit32).float(value));
  }

  /** `png`: a whole PNG file of width x height pixels. */
  image(tag: string, png: Uint8Array, width: number, height: number, step: number): void {
    this.#value(tag, step, (w) => bytesField(w, 4, imageMessage(png, width, height)));
  }

  /** `text` is shown as Markdown. */
  text(tag: string, text: string, step: number): void {
    this.#value(tag, step, (w) => {
      bytesField(w, 8, stringTensor(text));
      bytesField(w, 9, pluginMetadata('text'));
    });
  }

  /**
   * HParamsPluginData { session_start_info = 3 { hparams = 1 (map), group_name = 4, start_time_secs = 5 } } (plugin_data.proto of
   * TensorBoard's hparams): the settings of the run in whose folder this file lies, and the metrics of folders below it.
   */
  sessionStart(settings: Readonly<Record<string, Hyperparameter>>, seconds: number): void {
    const start = message((w) => {
      for (const [key, value] of Object.entries(settings))
        bytesField(
          w,
          1,
          message((entry) => {
            stringField(entry, 1, key);
            bytesField(entry, 2, valueMessage(value));
          }),
        );
      w.tag(5, WireType.Bit64).double(seconds);
    });
    this.#session('_hparams_/session_start_info', 3, start, 0);
  }

  /** HParamsPluginData { session_end_info = 4 { status = 1: STATUS_SUCCESS = 1, end_time_secs = 2 } }. */
  sessionEnd(seconds: number, step: number): void {
    const end = message((w) => {
      intField(w, 1, 1);
      w.tag(2, WireType.Bit64).double(seconds);
    });
    this.#session('_hparams_/session_end_info', 4, end, step);
  }

  #session(tag: string, field: number, content: Uint8Array, step: number): void {
    const data = message((w) => bytesField(w, field, content));
    this.#value(tag, step, (w) => {
      bytesField(w, 8, NO_TENSOR);
      bytesField(w, 9, pluginMetadata('hparams', data));
    });
  }

  /** Summary { value = 1 { tag = 1, one of: simple_value = 2, image = 4, tensor = 8; metadata = 9 } }. */
  #value(tag: string, step: number, content: Fill): void {
    const value = message((w) => {
      stringField(w, 1, tag);
      content(w);
    });
    const summary = message((w) => bytesField(w, 1, value));
    this.#add(event(step, (w) => bytesField(w, 5, summary)));
  }

  #add(data: Uint8Array): void {
    const bytes = record(data);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= BUFFER_BYTES) this.flush();
  }

  /** Hands everything to the operating system. Throws a BandliftError when the disk is full. */
  flush(): void {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      throw writeError(error, this.path, bytes.length);
    }
  }

  close(): void {
    try {
      this.flush();
    } finally {
      closeSync(this.#fd);
    }
  }
}
