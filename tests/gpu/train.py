"""A real, small training job: fits a two-layer network to a function, on the GPU.

Says which devices it sees, reports metrics, and exits 3 where it sees none.
"""
import json
import os
import sys
import time

import torch

if not torch.cuda.is_available():
    print('no device')
    sys.exit(3)
print('devices', torch.cuda.device_count(), torch.cuda.get_device_name(0), flush=True)
seconds = float(json.load(open(os.environ['BESSEMER_PARAMETERS'])).get('seconds', 5))
torch.manual_seed(1)
x = torch.rand(1 << 16, 64, device='cuda')
y = torch.sin(3 * x.sum(1, keepdim=True))
model = torch.nn.Sequential(torch.nn.Linear(64, 4096), torch.nn.GELU(),
                            torch.nn.Linear(4096, 1)).cuda()
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
began, step, first, loss = time.time(), 0, None, None
with open(os.environ['BESSEMER_METRICS'], 'a') as metrics:
    while time.time() - began < seconds:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        first = loss.item() if first is None else first
        if step % 20 == 0:
            metrics.write(json.dumps({'step': step, 'loss': loss.item()}) + '\n')
            metrics.flush()
        step += 1
print('trained', step, 'steps, loss', first, '->', loss.item())
sys.exit(0 if loss.item() < first else 1)
