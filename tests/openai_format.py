"""Writes a Whisper of CTranslate2's format as OpenAI's .pt file: the same weights on PyTorch."""

import struct
from pathlib import Path

import numpy as np

KINDS = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""CTranslate2's numbers for the types of a variable."""


def variables(path: Path) -> dict[str, np.ndarray]:
    """Every variable of a model.bin, see ctranslate2/specs/model_spec.py."""
    data, found, at = path.read_bytes(), {}, 4

    def text():
        nonlocal at
        (size,) = struct.unpack_from("<H", data, at)
        at += 2 + size
        return data[at - size : at - 1].decode()  # ends in a zero

    def numbers(code, count=1):
        nonlocal at
        values = struct.unpack_from(f"<{count}{code}", data, at)
        at += struct.calcsize(f"<{count}{code}")
        return values

    text()
    _, count = numbers("I", 2)
    for _ in range(count):
        name, (rank,) = text(), numbers("B")
        shape = numbers("I", rank)
        (kind,), (size,) = numbers("B"), numbers("I")
        found[name] = np.frombuffer(data, KINDS[kind], size // KINDS[kind]().itemsize, at)
        found[name] = found[name].reshape(shape)
        at += size
    return found


def layer(found, ours, theirs, cross):
    """One layer: the projections that CTranslate2 joined are parted again."""
    width = found[f"{ours}/self_attention/layer_norm/gamma"].size
    made = {}

    def norm(name, source):
        made[f"{theirs}.{name}.weight"] = found[f"{ours}/{source}/layer_norm/gamma"]
        made[f"{theirs}.{name}.bias"] = found[f"{ours}/{source}/layer_norm/beta"]

    def linear(name, source, part=slice(None)):
        made[f"{theirs}.{name}.weight"] = found[f"{ours}/{source}/weight"][part]
        if not name.endswith("key"):  # has none
            made[f"{theirs}.{name}.bias"] = found[f"{ours}/{source}/bias"][part]

    first, second, third = (slice(n * width, (n + 1) * width) for n in range(3))
    for name, part in (("query", first), ("key", second), ("value", third)):
        linear(f"attn.{name}", "self_attention/linear_0", part)
    linear("attn.out", "self_attention/linear_1")
    norm("attn_ln", "self_attention")
    if cross:
        linear("cross_attn.query", "attention/linear_0")
        linear("cross_attn.key", "attention/linear_1", first)
        linear("cross_attn.value", "attention/linear_1", second)
        linear("cross_attn.out", "attention/linear_2")
        norm("cross_attn_ln", "attention")
    linear("mlp.0", "ffn/linear_0")
    linear("mlp.2", "ffn/linear_1")
    norm("mlp_ln", "ffn")
    return made


def as_openai(folder: Path, target: Path) -> Path:
    """The Whisper in `folder` as a .pt file that openai-whisper loads."""
    import torch

    found = variables(folder / "model.bin")
    heads = int(found["encoder/num_heads"])
    words, width = found["decoder/embeddings/weight"].shape
    mels, layers = found["encoder/conv1/weight"].shape[1], {}
    weights = {
        "encoder.positional_embedding": found["encoder/position_encodings/encodings"],
        "decoder.positional_embedding": found["decoder/position_encodings/encodings"],
        "decoder.token_embedding.weight": found["decoder/embeddings/weight"],
    }
    for convolution in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            weights[f"encoder.{convolution}.{part}"] = found[f"encoder/{convolution}/{part}"]
    for side, norm in (("encoder", "ln_post"), ("decoder", "ln")):
        weights[f"{side}.{norm}.weight"] = found[f"{side}/layer_norm/gamma"]
        weights[f"{side}.{norm}.bias"] = found[f"{side}/layer_norm/beta"]
        numbers = {name.split("/")[1] for name in found if name.startswith(f"{side}/layer_")}
        layers[side] = len(numbers - {"layer_norm"})
        for number in range(layers[side]):
            names = f"{side}/layer_{number}", f"{side}.blocks.{number}"
            weights |= layer(found, *names, cross=side == "decoder")
    sizes = {
        "n_mels": mels,
        "n_vocab": words,
        "n_audio_ctx": 1500,
        "n_text_ctx": 448,
        **{f"n_{kind}_state": width for kind in ("audio", "text")},
        **{f"n_{kind}_head": heads for kind in ("audio", "text")},
        "n_audio_layer": layers["encoder"],
        "n_text_layer": layers["decoder"],
    }
    tensors = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
    torch.save({"dims": sizes, "model_state_dict": tensors}, target)
    return target
