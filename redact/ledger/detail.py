"""
The restricted detail of an entry: encrypted under a key of its own, and committed to in the entry.

Destroying the key (the small file) destroys the detail and the nonces with it; the entry and every
proof about it stay valid, for they hold only commitments.
"""

from __future__ import annotations

import hmac
import secrets
import zlib
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from redact.errors import LedgerCorruptError

NONCE = 32
GCM_NONCE = 12


@dataclass(frozen=True, slots=True)
class Sealed:
    """The two files of a detail, and what the entry says of it."""

    key: bytes  # the detail's own AES-256 key, wrapped (RFC 3394)
    detail: bytes
    public: dict[str, str | int]  # commit, bytes, kid

    @property
    def files(self) -> tuple[bytes, bytes]:
        return self.key, self.detail


@dataclass(frozen=True, slots=True)
class Detail:
    """What was sealed: the caller's bytes, and the nonce that opens the entry's `in.commit`."""

    sidecar: bytes
    source_nonce: bytes


def seal(rec: str, detail: Detail, wrapping: bytes) -> Sealed:
    """Encrypt a detail for the entry of `rec`. Every call makes a new key and new nonces."""
    kid, key, commit_nonce = secrets.token_hex(16), AESGCM.generate_key(256), _nonce()
    plain = detail.source_nonce + commit_nonce + zlib.compress(detail.sidecar)
    gcm_nonce = secrets.token_bytes(GCM_NONCE)
    return Sealed(
        key=aes_key_wrap(wrapping, key),
        detail=gcm_nonce + AESGCM(key).encrypt(gcm_nonce, plain, _bound_to(rec, kid)),
        public={
            "commit": _commit(commit_nonce, detail.sidecar),
            "bytes": len(detail.sidecar),
            "kid": kid,
        },
    )


def unseal(rec: str, sealed: Sealed, wrapping: bytes) -> Detail:
    """
    Decrypt a detail and check it against the entry's commitment.

    Raises LedgerCorruptError when a file, the key or the commitment does not match.
    """
    kid = str(sealed.public["kid"])
    gcm_nonce, encrypted = sealed.detail[:GCM_NONCE], sealed.detail[GCM_NONCE:]
    try:
        key = aes_key_unwrap(wrapping, sealed.key)
        plain = AESGCM(key).decrypt(gcm_nonce, encrypted, _bound_to(rec, kid))
    except (InvalidUnwrap, InvalidTag, ValueError) as error:
        raise _mismatch(rec) from error
    sidecar = zlib.decompress(plain[2 * NONCE :])
    if _commit(plain[NONCE : 2 * NONCE], sidecar) != sealed.public["commit"]:
        raise _mismatch(rec)
    return Detail(sidecar, plain[:NONCE])


def source_commitment(source: str | None) -> tuple[str | None, bytes]:
    """The entry's `in.commit` for a source's sha256 (hex), and the nonce that opens it."""
    nonce = _nonce()
    if source is None:
        return None, nonce
    return "sha256:" + sha256(nonce + bytes.fromhex(source)).hexdigest(), nonce


def _commit(nonce: bytes, sidecar: bytes) -> str:
    return "hmac-sha256:" + hmac.digest(nonce, sidecar, "sha256").hex()


def _nonce() -> bytes:
    return secrets.token_bytes(NONCE)


def _bound_to(rec: str, kid: str) -> bytes:
    return f"redact/detail/1\n{rec}\n{kid}".encode()


def _mismatch(rec: str) -> LedgerCorruptError:
    return LedgerCorruptError(
        f"the restricted detail of {rec} does not match its entry.",
        means="What was removed from that clip can't be looked up any more; the entry stands.",
        todo="Restore the detail's two files from their backup.",
    )
