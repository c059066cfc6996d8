/** Numbers that every part of the GPU benchmark uses. */

export const median = (x: readonly number[]): number => [...x].sort((a, b) => a - b)[Math.floor(x.length / 2)]!;

/** Three significant digits, for tables. */
export const short = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(3))) : 'n/a');

export interface BenchOptions {
  /** Tiny sizes: keeps the benchmark alive where there is no GPU; its times mean nothing. */
  readonly quick: boolean;
  /** Python with PyTorch on CUDA; undefined where there is none. */
  readonly python: string | undefined;
  readonly precisions: readonly ('fp32' | 'tf32' | 'bf16' | 'fp16')[];
  /** Providers of convolutions that are there. */
  readonly providers: readonly string[];
  /** Whether the operator, network or job of this name is to be measured. */
  readonly wanted: (name: string) => boolean;
}

/** Takes all that was measured so far, after each row. */
export type Keep = (measured: unknown) => void;

/** Runs `body` with environment variables that the engine reads when it opens devices and makes programs. */
export async function withEnv<T>(env: Readonly<Record<string, string>>, body: () => Promise<T>): Promise<T> {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  try {
    return await body();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
