"""redact models, redact doctor: what is installed and whether it is sound."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from typing import Any

import click
from tqdm import tqdm

from redact import weights
from redact.cli import json_option, main
from redact.errors import DetectorError, Reason
from redact.version import __version__


@main.group()
def models() -> None:
    """The weights that the detectors run: list, pull, verify."""


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """Every model of the manifest: slot, licence, whether it is here, and its uses."""
    states = dict(weights.verify())
    rows = [{**_row(model), "state": states[model.name]} for model in weights.manifest()]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        use = "commercial use allowed" if row["commercial"] else "NOT for commercial use"
        mark = "default" if row["default"] else "optional"
        click.echo(
            f"{row['slot']:<15} {row['name']:<22} {row['state']:<8} {mark:<9} "
            f"{row['licence']:<12} {use}"
        )


@models.command()
@click.argument("slots", metavar="[SLOT]...", nargs=-1)
def pull(slots: tuple[str, ...]) -> None:
    """
    Fetch models (by default all default ones) into the cache, each file checked by its sha256.

    Does nothing, and needs no network, where they are there already.
    """
    with tqdm(total=1.0, bar_format="{desc} {percentage:3.0f}% |{bar}|") as bar:

        def watch(name: str, share: float) -> None:
            bar.set_description_str(name)
            bar.update(max(0.0, share - bar.n))

        weights.pull(slots or None, progress=watch)
    click.echo(f"Models are in {weights.cache_folder()}.")


@models.command("verify")
@json_option
def verify_models(as_json: bool) -> None:
    """Check every default model's files against the manifest. Exits with 4 if one is not right."""
    wanted = {model.name for model in weights.manifest() if model.default}
    states = [(name, state) for name, state in weights.verify() if name in wanted]
    if as_json:
        click.echo(json.dumps(dict(states)))
    else:
        for name, state in states:
            click.echo(f"{name:<22} {state}")
    if any(state != "ok" for _name, state in states):
        raise DetectorError(
            "a default model is missing or changed.",
            means="Runs that need it refuse to start.",
            todo="redact models pull",
            reason=Reason.MODEL_CHANGED,
        )


@main.command()
@json_option
def doctor(as_json: bool) -> None:
    """What this machine can do: versions, models, languages, GPU; what is missing, and why."""
    report = _report()
    if as_json:
        click.echo(json.dumps(report))
        return
    for subject, facts in report.items():
        click.echo(subject)
        for key, value in facts.items():
            click.echo(f"  {key:<22} {value}")


def _row(model: weights.Model) -> dict[str, Any]:
    return {
        "slot": model.slot,
        "name": model.name,
        "licence": model.licence,
        "commercial": model.commercial,
        "default": model.default,
    }


def _report() -> dict[str, dict[str, str]]:
    packages = (
        "av numpy opencv-python-headless onnxruntime faster-whisper ctranslate2 spacy cuda-core "
        "nvidia-cuda-nvrtc"
    )
    return {
        "redact": {
            "version": __version__,
            "python": sys.version.split()[0],
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        },
        "packages": {name: _version(name) for name in packages.split()},
        "models": {**dict(weights.verify()), "folder": str(weights.cache_folder())},
        "looked for": {
            "faces": "yes",
            "licence plates": "yes, unless the policy turns them off",
            "spoken names": "English only; speech of other languages is held, or silenced by "
            "the policy silence-uncovered",
            "phone, card, addresses": "in English speech, by policy only (names.also)",
        },
        "gpu": _gpu(),
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        extra = "gpu" if name in ("cuda-core", "nvidia-cuda-nvrtc") else "cpu"
        return f"not installed: pip install 'redact[{extra}]'"


def _gpu() -> dict[str, str]:
    if importlib.util.find_spec("onnxruntime") is None:
        return {"detectors": "none: onnxruntime is not installed (pip install 'redact[cpu]')"}
    from redact.detectors.opened import open_gpu, why_no_gpu
    from redact.media.nvenc import has_encoder
    from redact.media.on_gpu import AV1, decoder_name, why_no_decoder

    reason = why_no_gpu()
    if reason:
        return {"pictures": f"cpu: {reason}"}
    try:
        gpu = open_gpu()
    except DetectorError as error:
        return {"pictures": f"cpu: {error.what}"}
    decoder = why_no_decoder(gpu)
    return {
        "pictures": "cuda",
        "name": f"{gpu.name}, {gpu.architecture}, driver for CUDA {gpu.driver_version[0]}."
        f"{gpu.driver_version[1]}",
        "memory free": f"{gpu.free_bytes() / 1e9:.1f} GB",
        "kernels": "; ".join(gpu.notes) or f"compiled for {gpu.architecture}",
        "decoding": f"cpu: {decoder}"
        if decoder
        else "cuda: 4:2:0 only; AV1 " + ("too" if gpu.capability in AV1 else "on the cpu"),
        "decoder": decoder_name(),
        "encoding": "cuda: H.264, HEVC, AV1 by NVENC" if has_encoder(gpu) else "cpu: no NVENC",
    }
