"""The C2PA manifest beside a published MP4, as c2pa's own reader sees it."""

import io
import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from redact import worker
from redact.cli import clips, main, provenance
from redact.redactor import Result, Status
from redact.store import Store
from tests.facts import FACTS, clip
from tests.media_maker import Picture, Voice, make_clip

c2pa = pytest.importorskip("c2pa", reason="needs the extra provenance")
from redact.provenance import manifests  # noqa: E402  # needs c2pa

NAME = "Quillathorpe"


def pem(key: Any) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate(name: str, key: Any, root: Any, *, authority: bool) -> x509.Certificate:
    def title(text: str) -> x509.Name:
        kinds = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
        return x509.Name([x509.NameAttribute(kind, text) for kind in kinds])

    day, now = timedelta(days=1), datetime.now(UTC)
    usage = dict.fromkeys(("key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= {"content_commitment": False, "encipher_only": False, "decipher_only": False}
    made = (
        x509.CertificateBuilder(title("root"), title(name), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(
            x509.KeyUsage(not authority, key_cert_sign=authority, crl_sign=authority, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False)
    )
    if not authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        made = made.add_extension(purpose, critical=False)
    return made.sign(root, hashes.SHA256())


KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.fixture(scope="module", params=KEYS)
def pair(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A chain of our own, leaf first, and the leaf's key."""
    folder = tmp_path_factory.mktemp("certificate")
    root, key = KEYS["P-256"](), KEYS[request.param]()
    chain = (
        certificate("leaf", key, root, authority=False),
        certificate("root", root, root, authority=True),
    )
    (folder / "chain.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    (folder / "key.pem").write_bytes(pem(key))
    return folder / "chain.pem", folder / "key.pem"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command in this process; the work on the one clip is stood in for."""
    source = make_clip(tmp_path / f"{NAME}.mp4", Picture(frames=20), [Voice()])

    def work(_paths: object, store: Store, *_: object, **__: object) -> Iterator[Result]:
        entry = store.find(clip())
        path = store.path(entry) if entry else store.workspace(clip(), "video/mp4")
        if not entry:
            path.write_bytes(source.read_bytes())
            path = store.publish(path, clip(), FACTS, b"{}")
        yield Result(source=source, status=Status.PUBLISHED, output=path, record=path.stem)

    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr(clips, "run_all", work)
    words = ["run", str(source), "--store", str(tmp_path / "store"), "--json"]
    return lambda *more: CliRunner().invoke(main, [*words, *map(str, more)])


def read(data: bytes, manifest: bytes) -> dict[str, Any]:
    with c2pa.Reader("video/mp4", io.BytesIO(data), manifest) as reader:
        return dict(json.loads(reader.json()))


def test_the_reader_finds_it_valid_with_the_reason_and_nothing_else(tmp_path, run, pair):
    done = run("--c2pa", *pair)
    assert done.exit_code == 0, done.output
    (output,) = (tmp_path / "store" / "clips").iterdir()
    assert output.read_bytes() == (tmp_path / f"{NAME}.mp4").read_bytes()  # nothing embedded
    made = (tmp_path / "store" / "provenance" / f"{output.stem}.c2pa").read_bytes()
    said = read(output.read_bytes(), made)
    assert said["validation_state"] == "Valid"
    assert [one["code"] for one in said["validation_status"]] == ["signingCredential.untrusted"]
    manifest = said["manifests"][said["active_manifest"]]
    actions = next(one for one in manifest["assertions"] if "actions" in one["label"])
    opened, edited = actions["data"]["actions"]
    assert opened["action"] == "c2pa.opened"
    assert edited == {"action": "c2pa.edited", "reason": "c2pa.PII.present"}
    (ingredient,) = manifest["ingredients"]
    assert not {"thumbnail", "title", "data"} & {*manifest, *ingredient}
    for word in (NAME.encode(), str(tmp_path).encode(), b"thumbnail", b"\xff\xd8\xff", b"\x89PNG"):
        assert word not in made

    with Store(tmp_path / "store", tmp_path / "keys") as store:
        assert store.verify().published == 1


def test_a_changed_byte_of_file_or_manifest_is_found(tmp_path, pair):
    path = make_clip(tmp_path / "a.mp4", Picture(frames=20), [Voice()])
    with manifests.signer(*pair) as by:
        made = manifests.manifest(path, by)
    whole = path.read_bytes()
    first = int.from_bytes(whole[:4], "big")  # of ftyp, which the format leaves out of the hash
    for place in (first + 20, len(whole) // 2, len(whole) - 5):
        changed = bytearray(whole)
        changed[place] ^= 1
        said = read(bytes(changed), made)
        assert said["validation_state"] == "Invalid"
        assert "assertion.bmffHash.mismatch" in {one["code"] for one in said["validation_status"]}
    text = bytearray(made)
    text[made.index(b"c2pa.PII.present")] ^= 1
    assert read(whole, bytes(text))["validation_state"] == "Invalid"


def test_a_second_run_makes_up_for_a_lost_manifest(tmp_path, run, pair):
    assert run().exit_code == 0
    assert not (tmp_path / "store" / "provenance").exists()
    assert run("--c2pa", *pair).exit_code == 0
    assert len(list((tmp_path / "store" / "provenance").iterdir())) == 1


def test_a_key_that_cant_sign_is_said_before_any_work(tmp_path, run, pair):
    (tmp_path / "rsa.pem").write_bytes(pem(rsa.generate_private_key(65537, 2048)))
    (tmp_path / "no.pem").write_bytes(b"no key")
    for key in (tmp_path / "rsa.pem", tmp_path / "no.pem", tmp_path / "nowhere.pem"):
        assert run("--c2pa", pair[0], key).exit_code == 2
    assert run("--c2pa", tmp_path / "no.pem", pair[1]).exit_code in (2, 5)
    assert not list((tmp_path / "store" / "provenance").glob("*"))


def test_a_certificate_of_another_key_leaves_no_manifest(tmp_path, run, pair):
    (tmp_path / "other.pem").write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    done = run("--c2pa", pair[0], tmp_path / "other.pem")
    assert done.exit_code in (2, 5)
    assert not list((tmp_path / "store" / "provenance").glob("*"))


def test_without_the_library_it_is_said_before_any_work(tmp_path, run, pair, monkeypatch):
    monkeypatch.setattr(provenance, "find_spec", lambda name: None)
    done = run("--c2pa", *pair)
    assert (done.exit_code, json.loads(done.stdout)["todo"]) == (
        2,
        "pip install 'redact[provenance]'",
    )
    assert not list((tmp_path / "store" / "clips").iterdir())


# In the file


def pictures(path: Path) -> list[bytes]:
    """Every decoded frame and block of sound, with its time."""
    with av.open(str(path)) as container:
        frames = [frame for packet in container.demux() for frame in packet.decode()]
        return [b"%d " % frame.pts + frame.to_ndarray().tobytes() for frame in frames]


@pytest.fixture
def blind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The whole command on an MP4 and an MKV, by a worker without models."""
    (tmp_path / "in").mkdir()
    make_clip(tmp_path / "in" / f"{NAME}.mp4", Picture(frames=20), [Voice()])
    make_clip(tmp_path / "in" / "other.mkv", Picture(frames=5))
    monkeypatch.setenv("REDACT_KEYS", str(tmp_path / "keys"))
    script = str(Path(__file__).with_name("blind_worker.py"))
    monkeypatch.setattr(worker, "COMMAND", (sys.executable, script, "none"))
    words = ["run", str(tmp_path / "in"), "--json"]
    return lambda store, *more: CliRunner().invoke(
        main, [*words, "--store", str(tmp_path / store), *map(str, more)]
    )


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["P-256"], indirect=True)
def test_a_manifest_in_the_file_is_valid_recorded_and_changes_no_frame(tmp_path, blind, pair):
    """The same run without it says what the frames were."""
    assert blind("plain").exit_code == 0
    done = blind("signed", "--c2pa", *pair, "--c2pa-embed")
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "signed" / "provenance").exists()
    (plain,) = (tmp_path / "plain" / "clips").glob("*.mp4")
    (output,) = (tmp_path / "signed" / "clips").glob("*.mp4")
    assert len(pictures(output)) > 20
    assert pictures(output) == pictures(plain)
    with output.open("rb") as file, c2pa.Reader("video/mp4", file) as reader:
        said = json.loads(reader.json())
    assert said["validation_state"] == "Valid"
    manifest = said["manifests"][said["active_manifest"]]
    actions = next(one for one in manifest["assertions"] if "actions" in one["label"])
    edited = actions["data"]["actions"][-1]
    assert edited == {"action": "c2pa.edited", "reason": "c2pa.PII.present"}
    for word in (NAME.encode(), str(tmp_path).encode(), b"thumbnail", output.stem.encode()):
        assert word not in output.read_bytes()
    with Store(tmp_path / "signed", tmp_path / "keys") as store:
        assert store.verify().published == 2
        kinds = {one.file_name[-3:]: one.value["c2pa"] for one in store.log.entries()}
    assert kinds == {"mp4": "embedded", "mkv": "none"}
    changed = bytearray(output.read_bytes())
    changed[changed.index(b"mdat") + 60] ^= 1
    with c2pa.Reader("video/mp4", io.BytesIO(bytes(changed))) as reader:
        assert json.loads(reader.json())["validation_state"] == "Invalid"


@pytest.mark.slow
@pytest.mark.parametrize("pair", ["P-256"], indirect=True)
def test_a_manifest_that_would_change_a_frame_is_not_put_in(tmp_path, blind, pair, monkeypatch):
    seen = iter([b"before", b"after"])
    monkeypatch.setattr(manifests, "coded", lambda path: next(seen))
    done = blind("signed", "--c2pa", *pair, "--c2pa-embed")
    assert done.exit_code == 5
    with Store(tmp_path / "signed", tmp_path / "keys") as store:
        summary = store.verify()
    assert (summary.published, summary.held) == (1, 1)
    assert [path.suffix for path in (tmp_path / "signed" / "clips").iterdir()] == [".mkv"]


def test_what_is_compared_is_every_packet_and_its_time(tmp_path):
    first = make_clip(tmp_path / "a.mp4", Picture(frames=9))
    same = shutil.copy(first, tmp_path / "b.mp4")  # encoders don't always write the same twice
    other = make_clip(tmp_path / "c.mp4", Picture(frames=8))
    assert manifests.coded(first) == manifests.coded(same)
    assert manifests.coded(first) != manifests.coded(other)
    whole = bytearray(first.read_bytes())
    whole[whole.index(b"mdat") + 40] ^= 1
    (tmp_path / "d.mp4").write_bytes(whole)
    assert manifests.coded(first) != manifests.coded(tmp_path / "d.mp4")


def test_embedding_needs_a_certificate(blind):
    assert blind("signed", "--c2pa-embed").exit_code == 2
