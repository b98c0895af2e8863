#!/usr/bin/env python
"""
Trains the plate detector from rendered plates and the labelled pictures beside the checkout.

    ./scripts/train_plates.py            # goes on where it was stopped
    ./scripts/train_plates.py --stages 1 # no more than the first stage

Needs `pip install -e '.[train]'`, Debian's apt-get for the fonts, and shared/data. Writes
WORK/plates.onnx after each stage, and WORK/training.json: wall time, machine, crops seen.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import time
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import torch
from onnx import numpy_helper
from plates_parts import mining
from plates_parts.card import TRAINING
from plates_parts.crops import make_crop
from plates_parts.eight_bit import CALIBRATED_ON, write_eight_bit
from plates_parts.lettering import PACKAGES, Lettering, fetch
from plates_parts.network import PlateNetwork, error, unfold, wanted
from plates_parts.pool import Pool
from plates_parts.sources import Sources, load
from torch import Tensor
from tqdm import tqdm

from redact.detectors.plates import EIGHT_BIT
from redact.policy import Plates

ROOT = Path(__file__).resolve().parent.parent
SEED = 3
BATCH = 16
FRESH = 8
"""Crops of a batch's number that are new with each step; the others were seen before."""
FIRST = 1_000
"""Crops made before the first step."""
KEEP_EVERY = 250  # steps


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps from a high to a low rate. From the second on, crops hold what the last mistook."""

    steps: int
    peak: float


STAGES = (
    Stage(3_000, 3e-3),
    Stage(4_500, 2e-3),
    Stage(4_500, 1.5e-3),
    Stage(3_000, 1.2e-3),
)


class Trainer:
    """The network, its slow average (which is what ships), and how far it has come."""

    def __init__(self, work: Path, device: str) -> None:
        torch.manual_seed(SEED)
        self._file, self._device = work / "checkpoint.pt", device
        self.network = PlateNetwork().to(device, memory_format=torch.channels_last)
        self.average = {key: value.clone() for key, value in self.network.state_dict().items()}
        self._optimiser = torch.optim.AdamW(self._groups(), lr=1e-3)
        self.stage, self.step, self.total, self.seconds = 0, 0, 0, 0.0
        if self._file.exists():
            self._resume()

    def begin_with(self, shipped: Path, record: dict[str, Any], pictures: Tensor) -> None:
        """
        Go on where the shipped weights and the record of their training ended.

        In the ONNX file normalisation is part of the convolutions: `pictures`, a batch such as
        comes next, shows what each has to normalise so that the network says the same as before.
        """
        values = [numpy_helper.to_array(one) for one in onnx.load(str(shipped)).graph.initializer]
        unfold(self.network, [torch.from_numpy(value.copy()) for value in values], pictures)
        self.average = {key: value.clone() for key, value in self.network.state_dict().items()}
        self.stage, self.total = len(record["stages"]), record["steps"]
        self.seconds = record["hours"] * 3600

    def _groups(self) -> list[dict[str, object]]:
        weights = [one for one in self.network.parameters() if one.ndim > 1]
        others = [one for one in self.network.parameters() if one.ndim <= 1]
        return [{"params": weights, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]

    def learn(self, batch: tuple[Tensor, ...], rate: float) -> tuple[float, float]:
        """One step; the losses of heat and edges."""
        pictures, *want = (part.to(self._device) for part in batch)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(self._device, torch.bfloat16):
            found = self.network(pictures)
        focal, overlap = error(found, tuple(want))
        self._optimiser.zero_grad(set_to_none=True)
        (focal + 2.5 * overlap).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10)
        self._optimiser.step()
        self.step, self.total = self.step + 1, self.total + 1
        self._blend()
        return focal.item(), overlap.item()

    def _blend(self) -> None:
        keep = min(0.9985, (1 + self.total) / (12 + self.total))
        for key, value in self.network.state_dict().items():
            slow = self.average[key]
            if value.dtype.is_floating_point:
                slow.mul_(keep).add_(value, alpha=1 - keep)
            else:
                slow.copy_(value)

    def keep(self) -> None:
        """Write everything that going on needs; a crash leaves the last one."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self._optimiser.state_dict(),
            "at": (self.stage, self.step, self.total, self.seconds),
        }
        torch.save(state, self._file.with_suffix(".part"))
        self._file.with_suffix(".part").replace(self._file)

    def _resume(self) -> None:
        state = torch.load(self._file, map_location=self._device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average = state["average"]
        self._optimiser.load_state_dict(state["optimiser"])
        self.stage, self.step, self.total, self.seconds = state["at"]

    def export(self, path: Path) -> None:
        """The average as ONNX, for any number of pictures of any size."""
        shipped = PlateNetwork()
        shipped.load_state_dict({key: value.cpu() for key, value in self.average.items()})
        axes = {0: "pictures", 2: "height", 3: "width"}
        cells = {0: "pictures", 2: "rows", 3: "columns"}
        torch.onnx.export(
            shipped.eval(),
            (torch.zeros(1, 3, 64, 64),),
            str(path),
            input_names=["pictures"],
            output_names=["heat", "edges"],
            dynamic_axes={"pictures": axes, "heat": cells, "edges": cells},
            opset_version=17,
            dynamo=False,
        )


def run_stage(
    trainer: Trainer, stage: Stage, sources: Sources, lettering: Lettering, workers: int
) -> None:
    """The rest of a stage, with a checkpoint now and then."""
    rng = np.random.default_rng([SEED, trainer.stage, trainer.step])
    start = FIRST + trainer.total * FRESH
    # Crops of an earlier stage are not drawn again: they lack what was mined since.
    oldest = max(start - FIRST, 0)

    def make(index: int):
        return make_crop(index, sources, lettering, seed=SEED)

    pool = Pool(make, workers=workers, first=oldest)
    bar = tqdm(
        total=stage.steps, initial=trainer.step, mininterval=5, desc=f"stage {trainer.stage + 1}"
    )
    began, before = time.monotonic(), trainer.seconds
    while trainer.step < stage.steps:
        upto = FIRST + trainer.total * FRESH
        batch = _batch(pool, upto, oldest, rng)
        losses = trainer.learn(batch, _rate(stage, trainer.step))
        trainer.seconds = before + time.monotonic() - began
        bar.update()
        if trainer.step % KEEP_EVERY == 0:
            trainer.keep()
        if trainer.step % 50 == 0:
            bar.set_postfix(heat=f"{losses[0]:.2f}", edges=f"{losses[1]:.2f}")
    bar.close()
    pool.close()


def _go_on(trainer: Trainer, sources: Sources, lettering: Lettering, work: Path) -> None:
    """Begin with the weights in models/ and what is recorded of them."""
    crops = [make_crop(index, sources, lettering, seed=SEED) for index in range(96)]
    pictures = torch.from_numpy(np.stack([crop.picture for crop in crops])).permute(0, 3, 1, 2)
    shipped = ROOT / "models" / "plates.onnx"
    trainer.begin_with(shipped, json.loads((ROOT / TRAINING).read_text()), pictures.float())
    (work / "plates.onnx").write_bytes(shipped.read_bytes())
    trainer.keep()


def _rate(stage: Stage, step: int) -> float:
    fall = 0.5 * (1 + math.cos(math.pi * step / stage.steps))
    return stage.peak * min(1, (step + 1) / 100) * (0.985 * fall + 0.015)


def _batch(pool: Pool, upto: int, oldest: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
    crops = pool.batch(BATCH, upto, oldest, rng)
    pictures = torch.from_numpy(np.stack([crop.picture for crop in crops]))
    maps = zip(*(wanted(crop.plates, crop.ignored) for crop in crops), strict=True)
    shown = pictures.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
    return shown, *(torch.from_numpy(np.stack(part).astype(np.float32)) for part in maps)


def record(trainer: Trainer, sources: Sources, work: Path) -> None:
    """What the model card says of the training."""
    facts = {
        "stages": [[stage.steps, stage.peak] for stage in STAGES[: trainer.stage]],
        "steps": trainer.total,
        "crops_shown": trainer.total * BATCH,
        "crops_rendered": FIRST + trainer.total * FRESH,
        "hours": round(trainer.seconds / 3600, 2),
        "labelled_pictures": len(sources.labelled),
        "labelled_plates": sum(len(one.plates) for one in sources.labelled),
        "plain_pictures": len(sources.plain),
        "mined_windows": len(sources.mined),
        "parameters": sum(one.numel() for one in trainer.network.parameters()),
        "machine": f"{platform.machine()} ({os.cpu_count()} busy cores, torch {torch.__version__} "
        f"with {torch.get_num_threads()} thread)",
        "seed": SEED,
    }
    (work / "training.json").write_text(json.dumps(facts, indent=2) + "\n")


def ship(work: Path, root: Path = ROOT) -> None:
    """Put the weights and the record of their training into the repository, and list them."""
    (root / TRAINING).write_text((work / "training.json").read_text())
    manifest = root / "models" / "manifest.toml"
    text = manifest.read_text()
    for name in ("plates.onnx", EIGHT_BIT):
        content = (work / name).read_bytes()
        (root / "models" / name).write_bytes(content)
        listed = f'"{name}", sha256 = "{sha256(content).hexdigest()}", size = {len(content)}'
        text = re.sub(rf'"{re.escape(name)}", sha256 = "\w*", size = \d+', listed, text)
    threshold = round(Plates().min_score * 1_000_000)
    text = re.sub(
        r'(slot = "plates".*?threshold_ppm = )\d+', rf"\g<1>{threshold}", text, flags=re.S
    )
    manifest.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "plates")
    parser.add_argument(
        "--stages", type=int, default=len(STAGES), help="go no further than this one"
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--workers", type=int, default=1, help="processes that render crops")
    parser.add_argument(
        "--threads", type=int, default=1, help="of torch; more are slower on busy cores"
    )
    parser.add_argument("--on", action="store_true", help="begin after the shipped weights")
    parser.add_argument("--ship", action="store_true", help="put the weights into models/, too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    fetch(PACKAGES, options.work / "fonts")
    lettering, sources = Lettering(options.work / "fonts"), load(options.shared, options.work)
    trainer = Trainer(options.work, options.device)
    if options.on and not trainer.total:
        _go_on(trainer, sources, lettering, options.work)
    while trainer.stage < min(options.stages, len(STAGES)):
        if trainer.stage:
            mined = mining.mine(options.work / "plates.onnx", sources)
            sources = replace(sources, mined=mined)
        run_stage(trainer, STAGES[trainer.stage], sources, lettering, options.workers)
        trainer.stage, trainer.step = trainer.stage + 1, 0
        trainer.keep()
        trainer.export(options.work / "plates.onnx")
        record(trainer, sources, options.work)
    if options.ship:
        crops = (make_crop(i, sources, lettering, seed=SEED) for i in range(CALIBRATED_ON))
        model = options.work / "plates.onnx"
        write_eight_bit(model, options.work / EIGHT_BIT, (crop.picture for crop in crops))
        ship(options.work)


if __name__ == "__main__":
    main()
