/**
 * Python pickles as inert data. Nothing is ever called: the stack machine knows numbers, strings, tuples, lists, dicts and
 * the few names of pickle_values.ts, and turns the one call that rebuilds a tensor into a TensorRef. Everything else is
 * refused with its name. (npm's pickleparser calls what its name resolver returns, assigns attributes to it, and reads
 * negative long integers as positive ones.) Opcodes: Python's Lib/pickletools.py; protocols 2 to 5.
 */
import { BandliftError } from '../base/errors.js';
import { ALLOWED, asStorage, asTensor, Global, type PickleValue, TensorRef } from './pickle_values.js';

export class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #path: string;
  #at = 0;
  #stack: PickleValue[] = [];
  readonly #marks: PickleValue[][] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(bytes: Uint8Array, path: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#path = path;
  }

  /** The pickled object. Throws a BandliftError for damaged pickles and for every name and opcode that is not known. */
  load(): PickleValue {
    this.#stack = [];
    this.#marks.length = 0;
    this.#memo.clear();
    for (;;) {
      const opcode = this.#byte();
      if (opcode === 0x2e) return this.#pop(); // STOP
      this.#execute(opcode);
    }
  }

  /** Bytes read so far: where the next of several pickles begins, or what follows the last one. */
  get position(): number {
    return this.#at;
  }

  #damaged(what: string): BandliftError {
    return new BandliftError(`the pickle is damaged: ${what}`, { file: this.#path, field: `byte ${this.#at}` });
  }

  #refused(what: string): BandliftError {
    return new BandliftError(
      `refused: the file asks for ${what}, which is not needed for tensors; nothing was executed`,
      {
        file: this.#path,
        hint: 'in PyTorch, save the weights alone: torch.save(model.state_dict(), FILE)',
      },
    );
  }

  // ---- reading ----

  #skip(length: number): number {
    const start = this.#at;
    if (!(length <= this.#bytes.length - start)) throw this.#damaged('it ends early');
    this.#at += length;
    return start;
  }

  #byte(): number {
    return this.#bytes[this.#skip(1)]!;
  }

  #uint32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  #text(length: number): string {
    const start = this.#skip(length);
    return new TextDecoder().decode(this.#bytes.subarray(start, start + length));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.#damaged('a line does not end');
    const text = this.#text(end - this.#at);
    this.#at = end + 1;
    return text;
  }

  /** Two's complement, little endian; at most 10 bytes (rounded: the magic number of old files). */
  #long(length: number): number {
    if (length > 10) throw this.#damaged(`an integer of ${length} bytes`);
    const start = this.#skip(length);
    let value = 0n;
    for (let i = 0; i < length; i++) value |= BigInt(this.#bytes[start + i]!) << BigInt(8 * i);
    return Number(BigInt.asIntN(8 * length, value));
  }

  // ---- stack ----

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined) throw this.#damaged('the stack is empty');
    return value;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined) throw this.#damaged('the stack is empty');
    return value;
  }

  /** What lies above the last mark. */
  #popMark(): PickleValue[] {
    const items = this.#stack;
    const below = this.#marks.pop();
    if (below === undefined) throw this.#damaged('a mark is missing');
    this.#stack = below;
    return items;
  }

  #popMany(count: number): PickleValue[] {
    const items = Array.from({ length: count }, () => this.#pop());
    return items.reverse();
  }

  #recall(index: number): PickleValue {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#damaged(`nothing is remembered as ${index}`);
    return value;
  }

  #append(items: readonly PickleValue[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#damaged('no list to append to');
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly PickleValue[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map) || items.length % 2 !== 0) throw this.#damaged('no dict to put items into');
    for (let i = 0; i < items.length; i += 2) dict.set(items[i]!, items[i + 1]!);
  }

  // ---- names and what they would do ----

  #global(module: PickleValue, name: PickleValue): Global {
    if (typeof module !== 'string' || typeof name !== 'string') throw this.#damaged('a name that is not text');
    const global = new Global(module, name);
    if (!ALLOWED.has(String(global))) throw this.#refused(`'${String(global).slice(0, 100)}'`);
    return global;
  }

  #persistent(id: PickleValue): PickleValue {
    const storage = asStorage(id);
    if (storage === undefined) throw this.#damaged('not the description of a storage');
    return storage;
  }

  /** What a call of an allowed name gives. */
  #reduce(callable: PickleValue, args: PickleValue): PickleValue {
    if (!(callable instanceof Global) || !Array.isArray(args))
      throw this.#damaged('a call of something that is not a name');
    let tensor: TensorRef | undefined;
    if (callable.name === 'OrderedDict' && args.length === 0) return new Map();
    // torch.Size((1, 2)) is a tuple, torch.device('cuda', 0) two words
    if (callable.name === 'Size' && args.length === 1 && Array.isArray(args[0])) return args[0];
    if (callable.name === 'device') return args;
    if (callable.name === '_rebuild_tensor_v2') tensor = asTensor(args);
    else if (callable.name === '_rebuild_parameter' && args[0] instanceof TensorRef) tensor = args[0];
    if (tensor === undefined) throw this.#damaged(`not what '${callable}' takes`);
    return tensor;
  }

  #execute(opcode: number): void {
    const push = (value: PickleValue) => this.#stack.push(value);
    switch (opcode) {
      case 0x80: // PROTO
        if (this.#byte() > 5) throw this.#damaged('an unknown protocol');
        break;
      case 0x95: // FRAME
        this.#skip(8);
        break;
      case 0x28: // MARK
        this.#marks.push(this.#stack);
        this.#stack = [];
        break;
      case 0x30: // POP
        this.#pop();
        break;
      case 0x31: // POP_MARK
        this.#popMark();
        break;

      // ---- memory ----
      case 0x71: // BINPUT
        this.#memo.set(this.#byte(), this.#top());
        break;
      case 0x72: // LONG_BINPUT
        this.#memo.set(this.#uint32(), this.#top());
        break;
      case 0x94: // MEMOIZE
        this.#memo.set(this.#memo.size, this.#top());
        break;
      case 0x68: // BINGET
        push(this.#recall(this.#byte()));
        break;
      case 0x6a: // LONG_BINGET
        push(this.#recall(this.#uint32()));
        break;

      // ---- values ----
      case 0x4e: // NONE
        push(null);
        break;
      case 0x88: // NEWTRUE
        push(true);
        break;
      case 0x89: // NEWFALSE
        push(false);
        break;
      case 0x4b: // BININT1
        push(this.#byte());
        break;
      case 0x4d: // BININT2
        push(this.#view.getUint16(this.#skip(2), true));
        break;
      case 0x4a: // BININT
        push(this.#view.getInt32(this.#skip(4), true));
        break;
      case 0x8a: // LONG1
        push(this.#long(this.#byte()));
        break;
      case 0x8b: // LONG4
        push(this.#long(this.#uint32()));
        break;
      case 0x47: // BINFLOAT
        push(this.#view.getFloat64(this.#skip(8), false));
        break;
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        push(this.#text(this.#uint32()));
        break;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        push(this.#text(this.#byte()));
        break;

      // ---- containers ----
      case 0x29: // EMPTY_TUPLE
      case 0x5d: // EMPTY_LIST
        push([]);
        break;
      case 0x7d: // EMPTY_DICT
        push(new Map());
        break;
      case 0x74: // TUPLE
        push(this.#popMark());
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        push(this.#popMany(opcode - 0x84));
        break;
      case 0x61: // APPEND
        this.#append(this.#popMany(1));
        break;
      case 0x65: // APPENDS
        this.#append(this.#popMark());
        break;
      case 0x73: // SETITEM
        this.#setItems(this.#popMany(2));
        break;
      case 0x75: // SETITEMS
        this.#setItems(this.#popMark());
        break;

      // ---- names and calls ----
      case 0x63: // GLOBAL
        push(this.#global(this.#line(), this.#line()));
        break;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.#popMany(2);
        push(this.#global(module!, name!));
        break;
      }
      case 0x51: // BINPERSID
        push(this.#persistent(this.#pop()));
        break;
      case 0x52: {
        // REDUCE
        const [callable, args] = this.#popMany(2);
        push(this.#reduce(callable!, args!));
        break;
      }
      case 0x62: // BUILD: attributes of a dict (a state dict's _metadata: version numbers of layers), not needed
        this.#pop();
        if (!(this.#top() instanceof Map)) throw this.#refused('attributes of an object');
        break;
      default:
        throw this.#refused(`pickle opcode 0x${opcode.toString(16).padStart(2, '0')}`);
    }
  }
}
