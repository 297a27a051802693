"""Assess the robustness on your own samples: ``python examples/attack_job.py SAMPLES.npz [URL]``.

The file holds ``inputs`` [n, 28, 28] in 0..1 and ``labels`` [n]. The server needs the extra
`attack` (``make serve EXTRAS=attack``).
"""

import sys

import numpy as np

from noisevote import AttackRequest, Attacks, Client

if len(sys.argv) < 2:
    sys.exit(__doc__)
samples = np.load(sys.argv[1])
url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000"

with Client(url) as client:
    attacks = Attacks(client)
    job = attacks.submit(
        AttackRequest(
            target="mnist_cnn-mult-1.0",
            surrogate="mnist_cnn-clean",
            sigma=0.5,
            epsilon=0.2,
            votes=7,
            steps=10,
            restarts=1,
            attacks=("pgd", "square"),
            queries=50,
            adaptive=False,  # left out, as fewer replies are, to be quick
            replies=7,
            inputs=samples["inputs"].tolist(),
            labels=samples["labels"].tolist(),
            seed=7,
        )
    )
    for status in attacks.watch(job.id):
        print(f"{status.state}: {len(status.finished_steps)} of {status.steps} steps")
    report = attacks.report(job.id)

for row in report.attacks:
    print(row.attack, row.noisy.robust_accuracy)
print(*report.verdict.sentences, sep="\n")
