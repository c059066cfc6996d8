"""Runs one PyTorch training step per line read from stdin and answers with its seconds; 'quit' answers with peak memory.

Usage: torch_step.py NET BATCH SIZE THREADS LAYOUT
LAYOUT: contiguous | channels_last
"""
import json
import resource
import sys
import time

import torch
from networks import SpatialLightweight, SpatialSR, SpectralSR, SpectralUnmixing, combined_loss

net, batch, size, threads, layout = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
torch.set_num_threads(threads)
torch.manual_seed(0)
model = {'spectral_sr': SpectralSR, 'spectral_sr_8': lambda: SpectralSR(blocks=8), 'spectral_unmixing': SpectralUnmixing,
         'spatial_sr': SpatialSR, 'spatial_lightweight': SpatialLightweight,
         'spatial_lightweight_32': lambda: SpatialLightweight(features=32)}[net]()
stage2 = net.startswith('spatial_')  # SIZE is that of the input: 34 -> 255
x = torch.rand(batch, 340 if stage2 else 7, size, size)
t = torch.rand(batch, 340, *([int(size * 7.5)] * 2 if stage2 else [size] * 2))
weights = {'sam': 0.05, 'gradient': 0.0} if stage2 else {}
if layout == 'channels_last':
    model = model.to(memory_format=torch.channels_last)
    x, t = x.contiguous(memory_format=torch.channels_last), t.contiguous(memory_format=torch.channels_last)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
print(json.dumps({'ready': True, 'version': torch.__version__}), flush=True)
for line in sys.stdin:
    if line.strip() == 'quit':
        break
    started = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss = combined_loss(model(x), t, **weights)
    loss.backward()
    optimizer.step()
    loss = loss.item()
    print(json.dumps({'seconds': time.perf_counter() - started, 'loss': loss}), flush=True)
print(json.dumps({'peak_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), flush=True)
