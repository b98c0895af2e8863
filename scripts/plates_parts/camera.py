"""What cameras, weather and codecs do to a picture."""

from __future__ import annotations

import cv2
import numpy as np

from .plate import Picture


def photographed(picture: Picture, rng: np.random.Generator) -> Picture:
    """The picture as some camera would have taken it; each fault comes now and then."""
    faults = (
        (0.8, _exposed),
        (0.45, _tinted),
        (0.08, _at_night),
        (0.08, _flared),
        (0.06, _rained),
        (0.22, _blurred),
        (0.16, _moved),
        (0.16, _coarse),
        (0.1, _grey),
        (0.15, _sharpened),
        (0.35, _noisy),
        (0.4, _coded),
    )
    for often, fault in faults:
        if rng.random() < often:
            picture = np.clip(fault(picture, rng), 0, 255).astype(np.float32)
    return picture


def _exposed(picture: Picture, rng: np.random.Generator) -> Picture:
    middle = picture.mean()
    contrast = rng.uniform(0.55, 1.4) if rng.random() < 0.4 else 1.0
    bright = (middle + (picture - middle) * contrast) * rng.uniform(0.6, 1.45)
    return bright + rng.uniform(-20, 20)


def _tinted(picture: Picture, rng: np.random.Generator) -> Picture:
    return picture * rng.uniform(0.75, 1.25, 3).astype(np.float32)


def _at_night(picture: Picture, rng: np.random.Generator) -> Picture:
    dark = 255 * (picture / 255) ** rng.uniform(1.0, 1.7) * rng.uniform(0.3, 0.8)
    return dark * rng.uniform((0.8, 0.6, 0.3), (1.2, 1.0, 1.0)).astype(np.float32)


def _flared(picture: Picture, rng: np.random.Generator) -> Picture:
    """A lamp or the sun shines into the lens."""
    high, wide = picture.shape[:2]
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    far = (x - rng.uniform(0, wide)) ** 2 + (y - rng.uniform(0, high)) ** 2
    glow = 255 * np.exp(-far / (2 * rng.uniform(8, 90) ** 2))[:, :, np.newaxis]
    return picture + glow * rng.uniform((0.7, 0.5, 0.4), (1, 1, 1)).astype(np.float32)


def _rained(picture: Picture, rng: np.random.Generator) -> Picture:
    high, wide = picture.shape[:2]
    streaks = np.zeros((high, wide), np.float32)
    slope, long = rng.normal(0, 4), int(rng.integers(5, 22))
    for x, y in rng.uniform(0, (wide, high), (int(rng.integers(20, 160)), 2)):
        cv2.line(streaks, (int(x), int(y)), (int(x + slope), int(y + long)), 1.0, 1, cv2.LINE_AA)
    wet = cv2.GaussianBlur(picture, (0, 0), 0.8)
    return wet + streaks[:, :, np.newaxis] * (rng.uniform(120, 230) - wet) * rng.uniform(0.1, 0.5)


def _blurred(picture: Picture, rng: np.random.Generator) -> Picture:
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.6))


def _moved(picture: Picture, rng: np.random.Generator) -> Picture:
    """Motion along any direction while the shutter was open."""
    length, turn = int(rng.choice([3, 5, 7, 9, 13])), rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    half = length // 2
    along = (round(np.cos(turn) * half), round(np.sin(turn) * half))
    ends = (half - along[0], half - along[1]), (half + along[0], half + along[1])
    cv2.line(kernel, *ends, 1.0)
    return cv2.filter2D(picture, -1, kernel / kernel.sum())


def _coarse(picture: Picture, rng: np.random.Generator) -> Picture:
    """Enlarged from fewer pixels, as a cheap camera or a zoom does."""
    high, wide = picture.shape[:2]
    share = rng.uniform(0.35, 0.85)
    small = cv2.resize(
        picture, (int(wide * share), int(high * share)), interpolation=cv2.INTER_AREA
    )
    how = cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_NEAREST
    return cv2.resize(small, (wide, high), interpolation=how)


def _grey(picture: Picture, _rng: np.random.Generator) -> Picture:
    return np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)


def _sharpened(picture: Picture, rng: np.random.Generator) -> Picture:
    """Edges with a bright and a dark rim, as phones and dashcams make them."""
    soft = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.7, 1.8))
    return picture + (picture - soft) * rng.uniform(0.4, 1.8)


def _noisy(picture: Picture, rng: np.random.Generator) -> Picture:
    channels = 1 if rng.random() < 0.5 else 3
    return picture + rng.normal(0, rng.uniform(2, 12), (*picture.shape[:2], channels))


def _coded(picture: Picture, rng: np.random.Generator) -> Picture:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(18, 85))]
    _, coded = cv2.imencode(".jpg", picture.astype(np.uint8), quality)
    return cv2.imdecode(coded, cv2.IMREAD_COLOR).astype(np.float32)
