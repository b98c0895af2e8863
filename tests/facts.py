"""Facts of an imagined clip, for the tests of ledger and store."""

from hashlib import sha256

from redact.ledger.facts import (
    Check,
    Clip,
    Coverage,
    Facts,
    Model,
    Output,
    Removal,
    Source,
)


def clip(number: int = 1) -> Clip:
    source = sha256(f"source {number}".encode()).hexdigest()
    return Clip(source=source, policy="ab" * 32, engine="redact 0.1.0")


FACTS = Facts(
    source=Source(
        media="video/mp4", dur_us=10_000_000, w=640, h=360, fps_num=30000, fps_den=1001, audio=True
    ),
    output=Output(media="video/mp4", frames=300, dur_us=10_010_000),
    policy_id="strict",
    models=(Model(slot="faces", name="centerface", sha256="cd" * 32, thr_ppm=300_000),),
    coverage=Coverage(
        frames=300,
        frames_scanned=100,
        audio_us=10_000_000,
        audio_us_scanned=10_000_000,
        speech_us=4_000_000,
        passes=1,
    ),
    scope=frozenset({"face", "spoken_name", "metadata", "chapter"}),
    removed=(
        Removal(
            k="face",
            method="fill",
            count=2,
            frames=411,
            dur_us=9_000_000,
            area_ppm_max=31_200,
            score_ppm_min=314_000,
        ),
        Removal(k="spoken_name", method="silence", count=1, dur_us=740_000, score_ppm_min=377_000),
        Removal(k="chapter", method="strip", count=3),
    ),
    check=Check(rounds=0, frames_scanned=40, audio_us_scanned=10_000_000),
)
