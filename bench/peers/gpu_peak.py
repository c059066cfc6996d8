"""What this GPU reaches in PyTorch, as one line of JSON: bytes per second of a device-to-device copy (read and written), and
operations per second of a product of 8192 x 8192 random matrices in each type."""
import json

import torch


def seconds(work, runs=10):
    for _ in range(3):
        work()
    times = []
    for _ in range(runs):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return sorted(times)[runs // 2]


def product(dtype, tf32, n=8192):
    torch.backends.cuda.matmul.allow_tf32 = tf32
    a, b = (torch.randn(n, n, device='cuda').to(dtype) for _ in range(2))
    return 2 * n**3 / seconds(lambda: torch.matmul(a, b))


a = torch.rand(1 << 29, device='cuda')  # 2 GiB
b = torch.empty_like(a)
peaks = {'copy': 2 * a.numel() * 4 / seconds(lambda: b.copy_(a)), 'fp32': product(torch.float32, False), 'fp16': product(torch.float16, False)}
if torch.cuda.get_device_capability()[0] >= 8:
    peaks['tf32'] = product(torch.float32, True)
    peaks['bf16'] = product(torch.bfloat16, False)
print(json.dumps(peaks))
