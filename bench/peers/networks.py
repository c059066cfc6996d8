"""The networks of docs/architecture.md in PyTorch, written for comparison: same layers, same parameter names."""
import torch
from torch import nn
from torch.nn import functional as F


class ResBlock(nn.Module):
    def __init__(self, bands):
        super().__init__()
        self.conv1 = nn.Conv1d(bands, bands, 3, padding=1)
        self.conv2 = nn.Conv1d(bands, bands, 3, padding=1)

    def forward(self, t):
        return F.relu(self.conv2(F.relu(self.conv1(t))) + t)


class Attention(nn.Module):
    def __init__(self, bands):
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(bands, bands // 4), nn.ReLU(), nn.Linear(bands // 4, bands), nn.Sigmoid())

    def forward(self, t):
        return t * self.fc(t.mean(dim=2)).unsqueeze(2)


class SpectralSR(nn.Module):
    """7 bands -> 340; the 1-D convolutions run along the flattened image ('raster')."""

    def __init__(self, in_bands=7, out_bands=340, hidden=128, blocks=4):
        super().__init__()
        self.spectral_expand = nn.Sequential(
            nn.Conv2d(in_bands, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, out_bands, 3, padding=1), nn.ReLU())
        self.res_blocks = nn.ModuleList(ResBlock(out_bands) for _ in range(blocks))
        self.attention = Attention(out_bands)
        self.final_conv = nn.Conv2d(out_bands, out_bands, 3, padding=1)

    def forward(self, x):
        e = self.spectral_expand(x)
        n, c, h, w = e.shape
        t = e.flatten(2)
        for block in self.res_blocks:
            t = block(t)
        t = self.attention(t).view(n, c, h, w)
        return self.final_conv(t + e)


class SpectralUnmixing(nn.Module):
    def __init__(self, in_bands=7, out_bands=340, endmembers=16):
        super().__init__()
        self.endmembers = nn.Parameter(torch.rand(endmembers, out_bands))
        self.abundance_net = nn.Sequential(
            nn.Conv2d(in_bands, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 32, 3, padding=1), nn.ReLU(),
            nn.Conv2d(32, endmembers, 3, padding=1))

    def forward(self, x):
        abundances = torch.softmax(self.abundance_net(x), dim=1)
        return torch.einsum('nkhw,kc->nchw', abundances, self.endmembers)


class ChannelAttentionBlock(nn.Module):
    def __init__(self, features, reduction):
        super().__init__()
        self.conv1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1)
        hidden = max(1, features // reduction)
        self.ca = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(features, hidden, 1), nn.ReLU(),
                                nn.Conv2d(hidden, features, 1), nn.Sigmoid())

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x)))
        return y * self.ca(y) + x


class Group(nn.Module):
    def __init__(self, features, blocks, reduction):
        super().__init__()
        self.blocks = nn.Sequential(*(ChannelAttentionBlock(features, reduction) for _ in range(blocks)))
        self.conv = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x):
        return self.conv(self.blocks(x)) + x


class Doubling(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.conv = nn.Conv2d(features, 4 * features, 3, padding=1)

    def forward(self, x):
        return F.pixel_shuffle(self.conv(x), 2)


def over_bicubic(detail, x, scale=7.5):
    size = [int(s * scale) for s in x.shape[2:]]
    fine = F.interpolate(x, scale_factor=scale, mode='bicubic')
    return F.interpolate(detail, size=size, mode='bicubic') + fine


class SpatialSR(nn.Module):
    """340 bands at 30 m -> 4 m."""

    def __init__(self, bands=340, features=64, groups=4, blocks=4, reduction=16):
        super().__init__()
        self.shallow_feat = nn.Conv2d(bands, features, 3, padding=1)
        self.res_groups = nn.Sequential(*(Group(features, blocks, reduction) for _ in range(groups)))
        self.conv_after_body = nn.Conv2d(features, features, 3, padding=1)
        self.upsample = nn.Sequential(*(Doubling(features) for _ in range(3)))
        self.reconstruction = nn.Conv2d(features, bands, 3, padding=1)

    def forward(self, x):
        s = self.shallow_feat(x)
        f = s + self.conv_after_body(self.res_groups(s))
        return over_bicubic(self.reconstruction(self.upsample(f)), x)


class SpatialLightweight(nn.Module):
    def __init__(self, bands=340, features=16, blocks=4):
        super().__init__()
        conv = lambda a, b: nn.Conv2d(a, b, 3, padding=1)
        self.feat_extract = nn.Sequential(conv(bands, features), nn.ReLU())
        self.res_blocks = nn.Sequential(*(m for _ in range(blocks) for m in (conv(features, features), nn.ReLU())))
        self.upsample = nn.Sequential(
            conv(features, 4 * features), nn.PixelShuffle(2), nn.ReLU(), conv(features, 4 * features), nn.PixelShuffle(2),
            nn.ReLU(), conv(features, 4 * features), nn.PixelShuffle(2))
        self.reconstruct = conv(features, bands)

    def forward(self, x):
        f = self.feat_extract(x)
        return over_bicubic(self.reconstruct(self.upsample(self.res_blocks(f) + f)), x)


def combined_loss(p, t, l1=1.0, sam=0.1, gradient=0.1):
    """Stage 1: 1.0 L1 + 0.1 SAM (radians) + 0.1 spectral gradient; stage 2: 1.0 L1 + 0.05 SAM."""
    cosine = (p * t).sum(1) / (p.norm(dim=1) * t.norm(dim=1) + 1e-8)
    angle = torch.acos(cosine.clamp(-1 + 1e-7, 1 - 1e-7)).mean()
    loss = l1 * (p - t).abs().mean() + sam * angle
    if gradient:
        loss = loss + gradient * ((p[:, 1:] - p[:, :-1]) - (t[:, 1:] - t[:, :-1])).abs().mean()
    return loss
