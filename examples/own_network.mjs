// A network and a loss of one's own on the compiler alone: a 3 x 3 convolution with a softplus learns to blur.
import { combinedLoss, conv2d, createSession, differentiate, GraphBuilder } from 'bandlift/graph';

const [SIZE, BANDS, STEPS, RATE] = [16, 4, 1000, 0.5];
const shape = [1, SIZE, SIZE, BANDS]; // [n, h, w, c], channels last

// ---- the network, the loss, the gradient ----
const builder = new GraphBuilder();
const x = builder.input('x', shape);
const weight = builder.parameter('weight', [BANDS, BANDS, 3, 3]); // PyTorch's order: out, in, kh, kw
const y = conv2d(builder, x, weight, { activation: 'softplus' }, 'conv');
builder.output('y', y);
// mean squared error against the input `target`, over `valid_pixels` pixels
builder.output('loss', combinedLoss(builder, y, { l1: 0, l2: 1, sam: 0, gradient: 0 }, { pixelMask: false }));
const graph = differentiate(builder.build(), { loss: 'loss' });

// ---- data: y = softplus(mean of the 3 x 3 pixels around) ----
const inputs = {
  x: new Float32Array(SIZE * SIZE * BANDS),
  target: new Float32Array(SIZE * SIZE * BANDS),
  valid_pixels: Float64Array.of(SIZE * SIZE),
};
for (let i = 0; i < inputs.x.length; i++) inputs.x[i] = Math.abs(Math.sin(12.9898 * i) * 43758.5453) % 1;
const at = (row, column, band) =>
  row < 0 || column < 0 || row >= SIZE || column >= SIZE ? 0 : inputs.x[(row * SIZE + column) * BANDS + band];
for (let i = 0; i < inputs.target.length; i++) {
  const [row, column, band] = [Math.floor(i / BANDS / SIZE), Math.floor(i / BANDS) % SIZE, i % BANDS];
  let sum = 0;
  for (let dr = -1; dr <= 1; dr++) for (let dc = -1; dc <= 1; dc++) sum += at(row + dr, column + dc, band);
  inputs.target[i] = Math.log1p(Math.exp(sum / 9));
}

// ---- gradient descent ----
const session = await createSession(graph, { device: 'cpu' });
try {
  const values = new Float32Array(BANDS * BANDS * 9);
  const zeros = new Float32Array(values.length);
  let first;
  let last;
  for (let step = 0; step < STEPS; step++) {
    session.set('weight', values);
    session.set('grad.weight', zeros); // gradients of parameters add up over runs
    const { loss } = await session.run(inputs);
    const gradient = session.get('grad.weight');
    last = loss[0];
    first ??= last;
    for (let i = 0; i < values.length; i++) values[i] -= RATE * gradient[i];
  }
  console.log(`loss ${first.toPrecision(4)} -> ${last.toPrecision(4)} on ${session.device}`);
  console.log(`a weight of the blur: ${values[0].toFixed(3)}, expected ${(1 / 9).toFixed(3)}`);
} finally {
  session.dispose();
}
