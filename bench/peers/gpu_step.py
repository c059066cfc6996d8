"""Training steps in PyTorch on a GPU, the twin of bench/gpu/steps.ts: "step N" or "upload N" on stdin runs N steps and answers
with their seconds; "upload" copies the batch from pinned memory in every step, "step" has it on the GPU.

Usage: gpu_step.py NET BATCH SIZE MODE
MODE: eager_tf32 | eager_bf16 (autocast, channels_last, cudnn.benchmark) | compile_bf16 (the same, torch.compile max-autotune)
"""
import json
import sys
import time

import torch
from networks import SpatialLightweight, SpatialSR, SpectralSR, combined_loss

net, batch, size, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
torch.manual_seed(0)
torch.backends.cudnn.allow_tf32 = True
torch.backends.cuda.matmul.allow_tf32 = True
torch.backends.cudnn.benchmark = True
model = {'spectral_sr_8': lambda: SpectralSR(blocks=8), 'spatial_sr': SpatialSR,
         'spatial_lightweight': SpatialLightweight}[net]().cuda()
stage2 = net.startswith('spatial_')  # SIZE is that of the input: 34 -> 255
weights = {'sam': 0.05, 'gradient': 0.0} if stage2 else {}
reduced = mode != 'eager_tf32'
layout = torch.channels_last if reduced else torch.contiguous_format
model = model.to(memory_format=layout)


def host(channels, side):
    return torch.rand(batch, channels, side, side).contiguous(memory_format=layout).pin_memory()


host_x, host_t = host(340 if stage2 else 7, size), host(340, int(size * 7.5) if stage2 else size)
x, t = host_x.cuda(), host_t.cuda()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)


def forward(x, t):
    with torch.autocast('cuda', dtype=torch.bfloat16, enabled=reduced):
        prediction = model(x)
    return combined_loss(prediction.float(), t, **weights)


loss_of = torch.compile(forward, mode='max-autotune') if mode.startswith('compile') else forward


def run(count, upload):
    for _ in range(count):
        a, b = (host_x.cuda(non_blocking=True), host_t.cuda(non_blocking=True)) if upload else (x, t)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(a, b)
        loss.backward()
        optimizer.step()
    return loss.item()  # waits for the device


run(3, False)  # engines are chosen, code is compiled
print(json.dumps({'version': torch.__version__, 'cudnn': torch.backends.cudnn.version()}), flush=True)
for line in sys.stdin:
    what, count = line.split()
    torch.cuda.synchronize()
    started = time.perf_counter()
    loss = run(int(count), what == 'upload')
    torch.cuda.synchronize()
    print(json.dumps({'seconds': time.perf_counter() - started, 'loss': loss,
                      'peak_bytes': torch.cuda.max_memory_allocated()}), flush=True)
